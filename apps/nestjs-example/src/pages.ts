import { Inject, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { Sessions } from './session.ts';
import type { Html } from './views/html.ts';
import { layout, type Section } from './views/layout.ts';

/** Pages of this program: what a controller shows, in the frame that all of them share. */
@Injectable()
export class Pages {
  readonly #sessions: Sessions;

  constructor(@Inject(Sessions) sessions: Sessions) {
    this.#sessions = sessions;
  }

  show(req: Request, title: string, content: Html, section?: Section): string {
    const user = this.#sessions.userOf(req);
    return layout({ title, user, ...(section && { section }) }, content);
  }
}

import { Inject, Injectable } from '@nestjs/common';
import { type Html, layout, type Section } from 'example-kit';
import type { Request } from 'express';
import { Sessions } from './session.ts';

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

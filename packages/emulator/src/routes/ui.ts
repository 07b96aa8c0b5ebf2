import type { Context, Hono } from 'hono';
import { type Env, readText } from '../exchange.ts';
import { adminPage, type Html, type Notice, type Section } from '../pages.ts';
import { RefusedError } from '../refusal.ts';
import { pageResponse, redirectResponse } from '../respond.ts';
import { faultIn, registrationIn, switchesIn } from '../ui-forms.ts';
import { registrationForm, registrationList, registrationPage } from '../ui-registrations.ts';
import { clockView, faultsView, ledgerView, requestsView, switchesView, usersView } from '../ui-views.ts';
import type { World } from '../world.ts';

const LARGEST_FORM_BYTES = 64 * 1024;
const HOME = '/_emulator/ui';

/** What a redirect after a form says on the next page. Texts of its own: nothing from the address is shown. */
const NOTICES: Readonly<Record<string, string>> = {
  created: 'The application was registered.',
  saved: 'The application was saved.',
  archived: 'The application was archived. It can no longer be used.',
  activated: 'The application is active again.',
  secret: 'A new secret key was generated. The old one no longer works.',
  moved: 'The clock was moved.',
  user: 'The user was saved.',
  fault: 'The fault was added.',
  removed: 'The fault was removed.',
  switched: 'The switches were set.',
  reset: 'The emulator is as it was at its start.',
};

export function uiRoutes(app: Hono<Env>, world: World): void {
  const page = async (section: Section, title: string, content: Html, notice?: Notice): Promise<Response> =>
    pageResponse(notice?.bad ? 400 : 200, await adminPage(world.instance, section, title, content, notice));
  const noticeOf = (c: Context<Env>): Notice | undefined => {
    const text = NOTICES[c.req.query('done') ?? ''];
    return text === undefined ? undefined : { text };
  };
  const form = async (c: Context<Env>): Promise<URLSearchParams> =>
    new URLSearchParams((await readText(c.req.raw, LARGEST_FORM_BYTES)) ?? '');
  const done = (path: string, what: string): Response => redirectResponse(`${HOME}${path}?done=${what}`);
  /** Runs a change; what is refused is shown on the page that `refused` makes. */
  const attempt = async (
    change: () => Response,
    refused: (message: string) => Promise<Response>,
  ): Promise<Response> => {
    try {
      return change();
    } catch (error) {
      if (error instanceof RefusedError) return refused(error.message);
      throw error;
    }
  };

  app.get('/', () => redirectResponse(HOME));
  app.get(`${HOME}/`, () => redirectResponse(HOME));
  app.get(HOME, (c) => page('', 'API application registrations', registrationList(world), noticeOf(c)));
  app.get(`${HOME}/registrations/new`, () =>
    page('', 'Register an application', registrationForm(null, null)),
  );
  app.post(`${HOME}/registrations`, async (c) => {
    const sent = await form(c);
    return attempt(
      () => done(`/registrations/${world.registrations.add(registrationIn(sent)).clientId}`, 'created'),
      (text) => page('', 'Register an application', registrationForm(null, sent), { text, bad: true }),
    );
  });
  app.get(`${HOME}/registrations/:id`, (c) => {
    const registration = world.registrations.get(c.req.param('id'));
    if (!registration) throw new RefusedError('there is no such registration', 404);
    return page('', registration.displayName, registrationPage(world, registration, null), noticeOf(c));
  });
  app.post(`${HOME}/registrations/:id`, async (c) => {
    const id = c.req.param('id');
    const sent = await form(c);
    const registration = world.registrations.get(id);
    if (!registration) throw new RefusedError('there is no such registration', 404);
    return attempt(
      () => {
        world.registrations.update(id, registrationIn(sent));
        return done(`/registrations/${id}`, 'saved');
      },
      (text) =>
        page('', registration.displayName, registrationPage(world, registration, sent), { text, bad: true }),
    );
  });
  app.post(`${HOME}/registrations/:id/status`, async (c) => {
    const id = c.req.param('id');
    const status = (await form(c)).get('status') === 'archived' ? 'archived' : 'active';
    world.registrations.update(id, { status });
    return done(`/registrations/${id}`, status === 'archived' ? 'archived' : 'activated');
  });
  app.post(`${HOME}/registrations/:id/secret`, (c) => {
    const id = c.req.param('id');
    world.registrations.regenerateSecret(id);
    return done(`/registrations/${id}`, 'secret');
  });

  app.get(`${HOME}/users`, (c) => page('users', 'Users', usersView(world), noticeOf(c)));
  app.post(`${HOME}/users`, async (c) => {
    const sent = await form(c);
    const text = (name: string): string => sent.get(name) ?? '';
    return attempt(
      () => {
        const flags = { restricted: sent.has('restricted'), disabled: sent.has('disabled') };
        const names = { firstName: text('firstName'), lastName: text('lastName') };
        const password = text('password');
        world.users.put({
          email: text('email'),
          ...names,
          ...flags,
          ...(password === '' ? {} : { password }),
        });
        return done('/users', 'user');
      },
      (message) => page('users', 'Users', usersView(world), { text: message, bad: true }),
    );
  });

  app.get(`${HOME}/clock`, (c) => page('clock', 'Clock', clockView(world), noticeOf(c)));
  app.post(`${HOME}/clock`, async (c) => {
    const sent = await form(c);
    return attempt(
      () => {
        if (sent.has('rate')) world.clock.setRate(Number(sent.get('rate')));
        if (sent.has('advanceMs')) world.clock.advance(Number(sent.get('advanceMs')));
        return done('/clock', 'moved');
      },
      (text) => page('clock', 'Clock', clockView(world), { text, bad: true }),
    );
  });

  app.get(`${HOME}/ledger`, () => page('ledger', 'Ledger', ledgerView(world)));
  app.get(`${HOME}/requests`, () => page('requests', 'Requests', requestsView(world)));

  app.get(`${HOME}/faults`, (c) => page('faults', 'Faults', faultsView(world), noticeOf(c)));
  app.post(`${HOME}/faults`, async (c) => {
    const sent = await form(c);
    return attempt(
      () => {
        world.faults.add(faultIn(sent));
        return done('/faults', 'fault');
      },
      (text) => page('faults', 'Faults', faultsView(world), { text, bad: true }),
    );
  });
  app.post(`${HOME}/faults/:id/remove`, (c) => {
    world.faults.remove(c.req.param('id'));
    return done('/faults', 'removed');
  });

  app.get(`${HOME}/switches`, (c) => page('switches', 'Switches', switchesView(world), noticeOf(c)));
  app.post(`${HOME}/switches`, async (c) => {
    const sent = await form(c);
    return attempt(
      () => {
        world.switches = switchesIn(world.switches, sent);
        return done('/switches', 'switched');
      },
      (text) => page('switches', 'Switches', switchesView(world), { text, bad: true }),
    );
  });
  app.post(`${HOME}/reset`, () => {
    world.reset();
    return done('/switches', 'reset');
  });
}

import { Browser } from '../demo/browser.ts';
import { type Project, type RunningProgram, StepFailed } from './project.ts';

const START_LIMIT_MS = 60_000;
const USER = { email: 'user@clientname.com', password: 'password' };
const SIX_HOURS_MS = 6 * 3_600_000;

/**
 * Does what the README of an adapter says, in the place of a person: runs its last commands, opens `/sites`, signs in, sees
 * the sites, and sees them again after the access token has ended.
 */
export async function visitQuickStart(project: Project, commands: string, port: number): Promise<void> {
  const program = project.start(commands);
  try {
    await answering(`http://127.0.0.1:${port}/`, program);
    await visit(`http://127.0.0.1:${port}/sites`);
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new StepFailed(`${words}\nThe program had printed:\n${program.output().trim().slice(-3000)}`);
  } finally {
    await program.stop();
  }
}

async function answering(url: string, program: RunningProgram): Promise<void> {
  let over: string | null = null;
  void program.ended.then(({ code }) => {
    over = `it ended with ${code} before it listened`;
  });
  for (const until = Date.now() + START_LIMIT_MS; Date.now() < until && over === null; ) {
    try {
      await fetch(url, { redirect: 'manual' });
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new StepFailed(over ?? `nothing answered at ${url} within ${START_LIMIT_MS / 1000} s`);
}

async function visit(url: string): Promise<void> {
  const browser = new Browser();
  const connect = await browser.open(url);
  const login = await browser.submit(connect, '/highq/connect');
  const emulator = login.url.origin;
  const instance = `/${login.url.pathname.split('/')[1]}`;
  const allow = await browser.submit(login, `${instance}/login.action`, USER);
  const confirm = await browser.submit(allow, `${instance}/authorize.action`, { decision: 'allow' });
  const first = await browser.submit(confirm, '/highq/confirm', { decision: 'confirm' });
  expectSites(first.status, first.text, 'after the sign-in');
  const moved = await fetch(`${emulator}/_emulator/clock`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ advanceMs: SIX_HOURS_MS }),
  });
  if (!moved.ok) throw new StepFailed(`the emulator's clock could not be moved (${moved.status})`);
  const second = await browser.open(url);
  expectSites(second.status, second.text, 'after the access token has ended');
}

export function expectSites(status: number, text: string, when: string): void {
  if (status === 200 && text.includes('"sitename"')) return;
  throw new StepFailed(`no sites ${when}, but ${status} ${text.slice(0, 500)}`);
}

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Kit, type NodeVersion, NPM_INSTALL, tarballOf } from './kit.ts';
import { Project, type RunningProgram, StepFailed } from './project.ts';

const USER = 'user@clientname.com';

interface Started {
  readonly program: RunningProgram;
  readonly url: string;
  readonly instanceUrl: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Starts the `hq-emulator` of a folder that has it. */
async function startEmulator(project: Project, command = 'node_modules/.bin/hq-emulator'): Promise<Started> {
  const program = project.start(`${command} start --port 0 --json`);
  let over = false;
  void program.ended.then(() => {
    over = true;
  });
  while (!program.output().includes('\n')) {
    if (over) throw new StepFailed(`hq-emulator did not start:\n${program.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const line = program.output().split('\n')[0] ?? '';
  return { program, ...(JSON.parse(line) as Omit<Started, 'program'>) };
}

async function askEmulator<T>({ url }: Started, path: string, body?: object): Promise<T> {
  const init = body && {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  };
  const response = await fetch(`${url}/_emulator/${path}`, init);
  if (!response.ok) throw new StepFailed(`the emulator answered ${response.status} to ${path}`);
  return (await response.json()) as T;
}

async function codeFor(emulator: Started): Promise<string> {
  const clientId = emulator.env.HIGHQ_CLIENT_ID;
  return (await askEmulator<{ code: string }>(emulator, 'authorize', { clientId, user: USER })).code;
}

export function expectTwoAnswers(printed: string): void {
  const [first, second] = printed.split(/^\}/m).map((answer) => answer.split('sitename').length - 1);
  if (!first || first !== second)
    throw new StepFailed(`two answers were to come, with the same sites:\n${printed}`);
}

/** The sample as it stands, then the command: a person's code for tokens, tokens for sites. */
export async function useEmulator(project: Project): Promise<string> {
  project.write('server.js', "require('node:fs').writeFileSync('seen', process.env.HIGHQ_INSTANCE_URL);\n");
  await project.run('node quick-start.mts');
  const seen = await project.run('cat seen');
  if (!/^http:\/\/127\.0\.0\.1:\d+\/acme$/.test(seen)) throw new StepFailed(`server.js saw ${seen}`);
  // As its README starts it.
  const emulator = await startEmulator(project, 'npx --no-install hq-emulator');
  try {
    const exchanged = await fetch(`${emulator.instanceUrl}/api/oauth2/token`, {
      method: 'POST',
      headers: { accept: 'application/json' },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: emulator.env.HIGHQ_CLIENT_ID ?? '',
        client_secret: emulator.env.HIGHQ_CLIENT_SECRET ?? '',
        code: await codeFor(emulator),
      }),
    });
    const { access_token: token } = (await exchanged.json()) as { access_token?: string };
    const sites = await fetch(`${emulator.instanceUrl}/api/6/sites`, {
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
    });
    if (sites.status !== 200) throw new StepFailed(`the sites were answered with ${sites.status}`);
    return 'command and sample';
  } finally {
    await emulator.program.stop();
  }
}

/** The sample, with core's own store in the place of somebody's. */
export async function runSuite(project: Project): Promise<string> {
  project.write('my-store.ts', "export { memoryStore as myStore } from '@hq-oauth/core';\n");
  const printed = await project.run('node_modules/.bin/vitest run --no-color', { NO_COLOR: '1' });
  const passed = /Tests\s+(\d+) passed/.exec(printed)?.[1];
  if (passed === undefined) throw new StepFailed(`no test of the suite passed:\n${printed}`);
  return `${passed} tests`;
}

/**
 * Runs the sample of a store for somebody who has signed in before. The sign-in is a program of its own, made of the first
 * lines of the sample, so that the tokens come to the sample through the store.
 */
export async function callThroughStore(
  kit: Kit,
  node: NodeVersion,
  project: Project,
  code: string,
): Promise<string> {
  const emulator = await startEmulator(await emulatorProject(kit, node));
  try {
    const variables = {
      ...emulator.env,
      HIGHQ_REDIRECT_URI: 'https://matters.example.com/highq/callback',
      HIGHQ_ENCRYPTION_KEYS: `1:${randomBytes(32).toString('base64')}`,
      CODE: await codeFor(emulator),
    };
    const begin = /^.*const connection = [^\n]*\n/s.exec(code)?.[0];
    if (begin === undefined) throw new Error('the sample has no line that begins with `const connection`');
    const signIn =
      "await connection.exchangeCode(process.env.CODE ?? '');\nawait manager.close();\nprocess.exit();\n";
    project.write('sign-in.mts', begin + signIn);
    await project.run('node sign-in.mts', variables);
    const printed = await project.run('node quick-start.mts', { ...variables, CODE: '' });
    if (!printed.includes('sitename')) throw new StepFailed(`no sites were printed:\n${printed}`);
    const { count } = await answered(emulator);
    if (count !== 1) throw new StepFailed(`the emulator answered ${count} calls, and not one`);
    return 'a call';
  } finally {
    await emulator.program.stop();
  }
}

async function answered(emulator: Started): Promise<{ count: number }> {
  const log = await askEmulator<{ entries: { path: string; status: number }[] }>(emulator, 'requests');
  const good = log.entries.filter(({ path, status }) => path.endsWith('/api/6/sites') && status === 200);
  return { count: good.length };
}

const emulatorProjects = new Map<string, Promise<Project>>();

/** The emulator for the samples of stores, which do not install it: once for each Node. */
function emulatorProject(kit: Kit, { major, bin }: NodeVersion): Promise<Project> {
  const known = emulatorProjects.get(major);
  if (known) return known;
  const install = async (): Promise<Project> => {
    const project = new Project(join(kit.folder, `node-${major}`, 'hq-emulator'), bin);
    await project.run(`${NPM_INSTALL} ${tarballOf(kit, '@hq-oauth/emulator')}`);
    return project;
  };
  const project = install();
  emulatorProjects.set(major, project);
  return project;
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

type Variables = Readonly<Record<string, string | undefined>>;

/** A built example as a process of its own. */
export interface RunningServer {
  readonly child: ChildProcess;
  /** All that it has printed. */
  output(): string;
  /** Ends it as a power cut does, where it has not ended. */
  kill(): Promise<void>;
}

/** Resolves once it says that it is there. */
export async function startServer(server: string, env: Variables): Promise<RunningServer> {
  const child = spawn(process.execPath, [server], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
      if (output.includes('Matter browser: ')) resolve();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${output}`)));
  });
  return {
    child,
    output: () => output,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

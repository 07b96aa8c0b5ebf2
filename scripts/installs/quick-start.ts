import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../demo/ports.ts';
import { type Kit, type NodeVersion, NPM_INSTALL, tarballOf } from './kit.ts';
import { type LowestCore, lowestPeersOf } from './lowest.ts';
import { Project } from './project.ts';
import type { PublishedPackage } from './published.ts';
import { linesOfUserCode, quickStartOf } from './readme.ts';
import { callThroughStore, expectTwoAnswers, runSuite, useEmulator } from './runs.ts';
import { visitQuickStart } from './visit.ts';

/** What `npm install` is told where a README names a package; `null` for the name as it stands, the newest version. */
export type Versions = (name: string) => string | null;

export function newest(kit: Kit): Versions {
  return (name) => (name.startsWith('@hq-oauth/') ? tarballOf(kit, name) : null);
}

/** The lowest core, and the lowest version of each framework and driver that the package names as a peer. */
export function lowest(kit: Kit, { manifest }: PublishedPackage, core: LowestCore | null): Versions {
  const peers = lowestPeersOf(manifest);
  const nest = peers['@nestjs/core'];
  // Nest's packages are of one version each time; its platforms are no peers of the adapter.
  const all: Record<string, string> = nest ? { '@nestjs/platform-express': nest, ...peers } : peers;
  return (name) => {
    if (name === '@hq-oauth/core' && core) return core.spec;
    return all[name] === undefined ? newest(kit)(name) : `${name}@${all[name]}`;
  };
}

/**
 * Follows the first steps of a README in an empty folder, word by word, but for where packages of this workspace come from
 * and for port 3000, which may be taken. What npm has installed for another Node is copied where that is named: it does not depend on
 * the Node. Returns what was seen.
 */
export async function followQuickStart(
  kit: Kit,
  node: NodeVersion,
  { folder, readme }: PublishedPackage,
  versions: Versions,
  label: string,
  installedIn: string | null = null,
): Promise<string> {
  const variables = folder.startsWith('store-') ? kit.servers : {};
  const project = new Project(
    join(kit.folder, `node-${node.major}`, `${folder}-${label}`),
    node.bin,
    variables,
  );
  const port = await freePort(0);
  const onPort = (text: string): string => text.replaceAll(/\b3000\b/g, String(port));
  let code = '';
  let commands = '';
  for (const step of quickStartOf(readme)) {
    switch (step.kind) {
      case 'file':
        code = step.code;
        project.write(step.name, onPort(code));
        break;
      case 'commands':
        if (!step.script.startsWith('npm install')) commands = onPort(step.script);
        else if (installedIn === null) await project.run(withVersions(step.script, versions));
        else copyInstalled(installedIn, project.folder);
        break;
      default:
        step satisfies never;
    }
  }
  switch (folder) {
    case 'express':
    case 'koa':
    case 'nestjs':
      await visitQuickStart(project, commands, port);
      return `${linesOfUserCode(code)} lines`;
    case 'core':
      expectTwoAnswers(await project.run(commands));
      return `${linesOfUserCode(code)} lines`;
    case 'emulator':
      return useEmulator(project);
    case 'testkit':
      return runSuite(project);
    case 'store-redis':
      await callThroughStore(kit, node, project, code);
      await project.run(`${NPM_INSTALL} ${versions('ioredis') ?? 'ioredis'}`);
      return `${await callThroughStore(kit, node, project, onIoredis(code))} by each client`;
    case 'store-sqlite':
    case 'store-postgres':
      return callThroughStore(kit, node, project, code);
    default:
      throw new Error(`scripts/installs does not know how to follow the README of packages/${folder}`);
  }
}

function copyInstalled(from: string, to: string): void {
  for (const name of ['package.json', 'package-lock.json', 'node_modules']) {
    cpSync(join(from, name), join(to, name), { recursive: true, verbatimSymlinks: true });
  }
}

/** The sample for node-redis as somebody writes it who has ioredis. */
function onIoredis(code: string): string {
  return code
    .replace("import { createClient } from 'redis';", "import Redis from 'ioredis';")
    .replace(/createClient\(.*\)/, "new Redis(process.env.REDIS_URL ?? '')")
    .replace('await client.connect();\n', '')
    .replace('client.destroy()', 'client.disconnect()');
}

function withVersions(script: string, versions: Versions): string {
  return script
    .replaceAll(/(?<=\s)@?[a-z][\w./-]*/g, (word) => (word === 'install' ? word : (versions(word) ?? word)))
    .replaceAll(/^npm install/gm, NPM_INSTALL);
}

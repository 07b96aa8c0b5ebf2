import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Manifest, PublishedPackage } from './published.ts';

/** A package as npm's users get it. */
export interface Tarball {
  readonly path: string;
  /** Path below the package's folder → text. */
  readonly files: ReadonlyMap<string, string>;
  /** The one inside, with `workspace:` ranges replaced. */
  readonly manifest: Manifest;
}

export type Tarballs = ReadonlyMap<string, Tarball>;

/** Packs each package with pnpm, as a release does; needs their `dist`. By name. */
export function packAll(root: string, packages: readonly PublishedPackage[], into: string): Tarballs {
  const filters = packages.flatMap(({ manifest }) => ['--filter', manifest.name]);
  const args = ['-y', 'pnpm@12', '-r', ...filters, 'pack', '--pack-destination', into, '--json'];
  const printed = execFileSync('npx', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  const packed = [JSON.parse(printed) as { name: string; filename: string }[]].flat();
  return new Map(packed.map(({ name, filename }) => [name, readTarball(join(into, basenameOf(filename)))]));
}

function basenameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function readTarball(path: string): Tarball {
  const files = unpack(gunzipSync(readFileSync(path)));
  const manifest = JSON.parse(files.get('package.json') ?? '{}') as Manifest;
  return { path, files, manifest };
}

const BLOCK = 512;

/** The files of a tar archive as pnpm writes them; their paths begin with `package/`, which goes. */
function unpack(tar: Buffer): Map<string, string> {
  const files = new Map<string, string>();
  for (let at = 0; at + BLOCK <= tar.length; ) {
    const text = (from: number, length: number): string =>
      tar
        .toString('utf8', at + from, at + from + length)
        .split('\0', 1)
        .join('');
    const name = [text(345, 155), text(0, 100)].filter((part) => part !== '').join('/');
    // Two blocks of zeros end the archive.
    if (name === '') break;
    const size = Number.parseInt(text(124, 12), 8);
    const kind = text(156, 1);
    if (kind !== '0' && kind !== '' && kind !== '5') throw new Error(`${name}: an entry of kind ${kind}`);
    const begin = at + BLOCK;
    if (kind !== '5') files.set(name.replace(/^package\//, ''), tar.toString('utf8', begin, begin + size));
    at = begin + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

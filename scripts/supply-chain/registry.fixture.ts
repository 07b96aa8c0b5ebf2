import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

/** One release of a package that is nowhere else than in a registry of a test. */
export interface Release {
  readonly name: string;
  readonly version: string;
  /** Epoch milliseconds. */
  readonly publishedAt: number;
  /** Whether the registry has an attestation of what built it. */
  readonly provenance?: boolean;
  readonly scripts?: Readonly<Record<string, string>>;
}

export interface Registry {
  readonly url: string;
  /** A lockfile with one dependency, as pnpm writes it where nothing speaks against that release. */
  lockfileFor(release: Release): string;
  stop(): Promise<void>;
}

/** An npm registry on loopback, as far as pnpm asks one. */
export async function startRegistry(releases: readonly Release[]): Promise<Registry> {
  const tarballs = new Map(releases.map((each) => [pathOf(each), tarballOf(each)]));
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').slice(1));
    const ofName = releases.filter(({ name }) => name === path);
    const tarball = tarballs.get(path);
    if (tarball) response.end(tarball);
    else if (ofName.length > 0) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(documentOf(ofName, url, tarballs)));
    } else response.writeHead(404).end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    url,
    lockfileFor(release) {
      const { name, version } = release;
      const integrity = integrityOf(tarballs.get(pathOf(release)) ?? Buffer.alloc(0));
      return [
        "lockfileVersion: '9.0'",
        'settings: { autoInstallPeers: true, excludeLinksFromLockfile: false }',
        `importers: { .: { dependencies: { ${name}: { specifier: ${version}, version: ${version} } } } }`,
        `packages: { '${name}@${version}': { resolution: { integrity: ${integrity} } } }`,
        `snapshots: { '${name}@${version}': {} }`,
        '',
      ].join('\n\n');
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function pathOf({ name, version }: Release): string {
  return `${name}/-/${name}-${version}.tgz`;
}

function integrityOf(bytes: Uint8Array): string {
  return `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
}

function documentOf(releases: readonly Release[], url: string, tarballs: ReadonlyMap<string, Buffer>) {
  const byVersion = <T>(tell: (release: Release) => T): Record<string, T> =>
    Object.fromEntries(releases.map((each) => [each.version, tell(each)]));
  return {
    name: releases[0]?.name,
    'dist-tags': { latest: releases.at(-1)?.version },
    time: byVersion(({ publishedAt }) => new Date(publishedAt).toISOString()),
    versions: byVersion((each) => {
      const path = pathOf(each);
      const attestations = {
        url: `${url}attestations`,
        provenance: { predicateType: 'https://slsa.dev/provenance/v1' },
      };
      return {
        ...manifestOf(each),
        ...(each.scripts ? { hasInstallScript: true } : {}),
        dist: {
          tarball: url + path,
          integrity: integrityOf(tarballs.get(path) ?? Buffer.alloc(0)),
          ...(each.provenance ? { attestations } : {}),
        },
      };
    }),
  };
}

function manifestOf({ name, version, scripts = {} }: Release) {
  return { name, version, scripts };
}

/** A tar archive of one `package.json`, gzipped. */
function tarballOf(release: Release): Buffer {
  const text = Buffer.from(JSON.stringify(manifestOf(release)));
  const header = Buffer.alloc(512);
  header.write('package/package.json', 0);
  header.write('0000644\0', 100);
  header.write(`${text.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  // The sum of the header's bytes, its own eight taken for blanks.
  header.write('        ', 148);
  header.write('0ustar\x0000', 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((512 - (text.length % 512)) % 512);
  return gzipSync(Buffer.concat([header, text, padding, Buffer.alloc(1024)]));
}

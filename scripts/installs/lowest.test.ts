import { describe, expect, it } from 'vitest';
import { lowestCoreOf, lowestOf, lowestPeersOf } from './lowest.ts';

const core = { name: '@hq-oauth/core', version: '0.3.0', tarball: '/packed/core.tgz' };
const adapter = (range: string) => ({
  name: '@hq-oauth/koa',
  version: '0.1.0',
  peerDependencies: { '@hq-oauth/core': range, koa: '^3.0.0' },
});
const registry =
  (...specs: string[]) =>
  async (spec: string) =>
    specs.includes(spec);

describe('the lowest version of a range', () => {
  it.each([
    ['^5.0.0', '5.0.0'],
    ['^5 || ^6', '5.0.0'],
    ['>=4', '4.0.0'],
    ['~1.2', '1.2.0'],
    ['>=0.2.1 <1', '0.2.1'],
  ])('%s is %s', (range, lowest) => expect(lowestOf(range)).toBe(lowest));

  it('is known for each peer outside of the workspace', () => {
    expect(lowestPeersOf(adapter('^0.3.0'))).toEqual({ koa: '3.0.0' });
  });
});

describe('the lowest core of a package', () => {
  it('is the packed one where the range begins with it', async () => {
    expect(await lowestCoreOf(adapter('^0.3.0'), core, registry())).toEqual({
      spec: '/packed/core.tgz',
      version: '0.3.0',
    });
  });

  it('comes from the registry where it is older', async () => {
    const there = registry('@hq-oauth/core@0.2.1');
    expect(await lowestCoreOf(adapter('>=0.2.1 <1'), core, there)).toEqual({
      spec: '@hq-oauth/core@0.2.1',
      version: '0.2.1',
    });
  });

  it('is missed where nobody has it', async () => {
    await expect(lowestCoreOf(adapter('>=0.2.0 <1'), core, registry('@hq-oauth/core@0.2.1'))).rejects.toThrow(
      /@hq-oauth\/koa says .*0\.2\.0, is neither in the registry nor in this workspace \(0\.3\.0\)/,
    );
  });

  it('is none where a package has no such peer', async () => {
    expect(await lowestCoreOf({ name: '@hq-oauth/emulator', version: '0.1.0' }, core, registry())).toBeNull();
  });
});

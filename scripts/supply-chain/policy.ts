/** What of `pnpm-workspace.yaml` decides which releases of others come in, and which of their scripts run. */
export interface Settings {
  readonly minimumReleaseAge?: number;
  readonly minimumReleaseAgeStrict?: boolean;
  readonly minimumReleaseAgeExclude?: readonly string[];
  readonly trustPolicy?: string;
  readonly trustPolicyExclude?: readonly string[];
  readonly blockExoticSubdeps?: boolean;
  readonly strictDepBuilds?: boolean;
  readonly allowBuilds?: Readonly<Record<string, boolean>>;
  readonly [setting: string]: unknown;
}

/** What of `pnpm-lock.yaml` says where a dependency comes from. */
export interface Lockfile {
  readonly importers: Readonly<
    Record<string, Readonly<Record<string, Readonly<Record<string, { readonly version: string }>>>>>
  >;
  readonly packages: Readonly<Record<string, { readonly resolution: Readonly<Record<string, unknown>> }>>;
}

const THREE_DAYS_MIN = 3 * 24 * 60;

/** Settings that would undo the others. */
const LOOSENING: Readonly<Record<string, readonly unknown[]>> = {
  trustLockfile: [undefined, false],
  dangerouslyAllowAllBuilds: [undefined, false],
  trustPolicyIgnoreAfter: [undefined],
  verifyStoreIntegrity: [undefined, true],
  strictSsl: [undefined, true],
  registries: [undefined],
  registry: [undefined],
  permissions: [undefined],
};

const EXACT = /^(@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+[\w.+-]*$/;

/** One sentence for each setting that lets in what it should not. */
export function settingProblems(settings: Settings, { packages }: Lockfile): string[] {
  const { minimumReleaseAge = 0, allowBuilds = {} } = settings;
  const excluded = [...(settings.minimumReleaseAgeExclude ?? []), ...(settings.trustPolicyExclude ?? [])];
  const wants: readonly (readonly [boolean, string])[] = [
    [minimumReleaseAge >= THREE_DAYS_MIN, `minimumReleaseAge: below ${THREE_DAYS_MIN} minutes`],
    [
      settings.minimumReleaseAgeStrict === true,
      'minimumReleaseAgeStrict: pnpm would add exceptions by itself',
    ],
    [settings.trustPolicy === 'no-downgrade', 'trustPolicy: a lost provenance would pass'],
    [settings.blockExoticSubdeps === true, 'blockExoticSubdeps: dependencies of dependencies from anywhere'],
    [settings.strictDepBuilds === true, 'strictDepBuilds: a new install script would pass unseen'],
  ];
  return [
    ...wants.filter(([holds]) => !holds).map(([, problem]) => problem),
    ...Object.entries(LOOSENING)
      .filter(([name, allowed]) => !allowed.includes(settings[name]))
      .map(([name]) => `${name}: it would undo the others`),
    ...excluded.filter((entry) => !EXACT.test(entry)).map((entry) => `${entry}: excluded in each version`),
    ...Object.entries(allowBuilds)
      .filter(([name, allowed]) => allowed && !(EXACT.test(name) && name in packages))
      .map(([name]) => `allowBuilds: ${name} is no version that is locked`),
  ];
}

/** Everything comes from the registry, under the hash that it had when it was locked. */
export function lockfileProblems({ importers, packages }: Lockfile): string[] {
  const direct = Object.values(importers).flatMap((groups) =>
    Object.values(groups).flatMap((group) => Object.entries(group)),
  );
  return [
    ...direct
      .filter(([, { version }]) => !/^(link:(\.\.\/)+(packages\/)?[\w-]+$|\d+\.\d+\.\d+)/.test(version))
      .map(([name, { version }]) => `${name}: neither of the registry nor of this workspace (${version})`),
    ...Object.entries(packages)
      .filter(([, { resolution }]) => {
        const { integrity, ...more } = resolution;
        return Object.keys(more).length > 0 || !/^sha512-[\w+/]{86}==$/.test(String(integrity));
      })
      .map(([id]) => `${id}: without a SHA-512, or not of the registry`),
  ];
}

/** An installation that CI makes takes what is locked, and no option that lets more in. */
export function installProblems(commands: string): string[] {
  return [...commands.matchAll(/^.*(?:pnpm@\d+|"\$\{pnpm\[@\]\}") install\b(.*)$/gm)]
    .filter(([, options = '']) => !/^ --frozen-lockfile(?! --)/.test(options))
    .map(([line]) => line.trim());
}

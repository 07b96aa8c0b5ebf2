import { readFileSync } from 'node:fs';
import { checkPackage, createPackageFromTarballData, type Problem } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import type { Tarball } from './tarballs.ts';

/** What publint says, warnings and suggestions included. */
export async function publintProblems({ path }: Tarball): Promise<string[]> {
  const { messages, pkg } = await publint({ pack: { tarball: bytesOf(path).buffer }, strict: true });
  return messages.map((message) => formatMessage(message, pkg, { color: false }) ?? message.code);
}

/**
 * What attw says, by the rules of its profile for packages that are ESM only: resolution without `exports` is older than any
 * supported Node, and `require` of ESM, which it warns of, is what `engines` asks for and what the installs try.
 */
export async function attwProblems({ path }: Tarball): Promise<string[]> {
  const result = await checkPackage(createPackageFromTarballData(bytesOf(path)));
  if (!result.types) return ['attw: no types in the package'];
  const covered = Object.keys(result.entrypoints).length;
  if (covered === 0) return ['attw: no entry point was found'];
  return result.problems.filter(counts).map((problem) => `attw: ${JSON.stringify(problem)}`);
}

function counts(problem: Problem): boolean {
  if ('resolutionKind' in problem && problem.resolutionKind === 'node10') return false;
  return problem.kind !== 'CJSResolvesToESM';
}

function bytesOf(path: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(readFileSync(path));
}

/**
 * Fails when a source file breaks the import table, takes time or randomness from anywhere but a clock, is too long, or
 * when a test is switched off or sleeps.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkFile } from './imports/check-file.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const folders = [
  'scripts',
  ...['packages', 'apps'].flatMap((parent) =>
    readdirSync(join(root, parent)).flatMap((name) => [`${parent}/${name}/src`, `${parent}/${name}/test`]),
  ),
].filter((folder) => existsSync(join(root, folder)));

const files = folders.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/')),
);
const violations = files.flatMap((path) =>
  checkFile({ path, source: readFileSync(join(root, path), 'utf8') }),
);
for (const { path, line, message } of violations) console.error(`${path}:${line} ${message}`);
console.log(`imports, clocks and sizes: ${files.length} files, ${violations.length} violations`);
process.exitCode = violations.length > 0 || files.length === 0 ? 1 : 0;

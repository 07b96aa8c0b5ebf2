/**
 * `node scripts/scan-secrets.ts <folder>` fails when a file below the folder holds a planted secret in any form.
 * Says where and in which form, and never shows what was found.
 */
import { resolve } from 'node:path';
import { plantedTexts } from './scan/planted.ts';
import { scanFolder } from './scan/scan-folder.ts';

const folder = process.argv[2];
const planted = plantedTexts(process.env);
if (folder === undefined || planted.length === 0) {
  console.error('usage: HQ_EMULATOR_TOKEN_MARKER=… node scripts/scan-secrets.ts <folder>');
  process.exit(2);
}
const result = scanFolder(resolve(folder), planted);
for (const { file, offset, planted: index, form } of result.findings) {
  const place = offset === null ? 'in its name' : `at byte ${offset}`;
  console.error(`${file}: planted text ${index + 1} of ${planted.length} ${place}, ${form}`);
}
console.log(
  `secret scan: ${result.files} files, ${result.bytes} bytes, ${planted.length} planted texts, ` +
    `${result.findings.length} found, ${result.excepted.length} ledgers excepted`,
);
process.exitCode = result.findings.length > 0 ? 1 : 0;

import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { type Form, formsOf } from './forms.ts';

/** Where a planted text was found. Never the text around it, which would be the secret itself. */
export interface Finding {
  /** Relative to the scanned folder. */
  readonly file: string;
  /** Bytes from the start of the file; `null` when the file's name holds it. */
  readonly offset: number | null;
  /** The index of the planted text in the list. */
  readonly planted: number;
  readonly form: string;
}

export interface ScanResult {
  readonly findings: readonly Finding[];
  readonly files: number;
  readonly bytes: number;
  /** Files that may hold planted texts: `*.ledger.json`, the emulator's own account of what it issued. */
  readonly excepted: readonly string[];
}

const CHUNK_BYTES = 8 * 1024 * 1024;
const MOST_FINDINGS_PER_FILE = 20;
const LEDGER = /\.ledger\.json$/;

/** Looks in the name and the content of every file below `folder` for each text of `planted`, in every form. */
export function scanFolder(
  folder: string,
  planted: readonly string[],
  options: { chunkBytes?: number } = {},
): ScanResult {
  if (planted.length === 0) throw new RangeError('nothing to look for');
  const forms = planted.map(formsOf);
  const findings: Finding[] = [];
  const excepted: string[] = [];
  let files = 0;
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const file = path.slice(folder.length).replace(/^\//, '');
    findings.push(
      ...search(Buffer.from(entry.name), forms, 0).map((hit) => ({ ...hit, offset: null, file })),
    );
    if (!entry.isFile()) continue;
    if (LEDGER.test(entry.name)) {
      excepted.push(file);
      continue;
    }
    const content = scanFile(path, forms, options.chunkBytes ?? CHUNK_BYTES);
    files += 1;
    bytes += content.bytes;
    findings.push(...content.hits.map((hit) => ({ ...hit, file })));
  }
  return { findings, files, bytes, excepted };
}

type Hit = Omit<Finding, 'file'> & { readonly offset: number };

function scanFile(
  path: string,
  forms: readonly Form[][],
  chunkBytes: number,
): { hits: Hit[]; bytes: number } {
  const overlap = Math.max(...forms.flat().map(({ needle }) => needle.length)) - 1;
  const buffer = Buffer.alloc(chunkBytes + overlap);
  const hits = new Map<string, Hit>();
  const descriptor = openSync(path, 'r');
  try {
    let carried = 0;
    let position = 0;
    for (;;) {
      const read = readSync(descriptor, buffer, carried, chunkBytes, position);
      if (read === 0) return { hits: [...hits.values()], bytes: position };
      const filled = buffer.subarray(0, carried + read);
      for (const hit of search(filled, forms, position - carried)) {
        if (hits.size < MOST_FINDINGS_PER_FILE) hits.set(`${hit.offset} ${hit.planted} ${hit.form}`, hit);
      }
      position += read;
      // A text may lie across two reads: what could be its start is looked at again.
      carried = Math.min(overlap, filled.length);
      filled.copyWithin(0, filled.length - carried);
    }
  } finally {
    closeSync(descriptor);
  }
}

function search(content: Buffer, forms: readonly Form[][], base: number): Hit[] {
  return forms.flatMap((ofOne, planted) =>
    ofOne.flatMap(({ name, needle }) => {
      const hits: Hit[] = [];
      for (let at = content.indexOf(needle); at >= 0; at = content.indexOf(needle, at + 1)) {
        hits.push({ offset: base + at, planted, form: name });
        if (hits.length >= MOST_FINDINGS_PER_FILE) break;
      }
      return hits;
    }),
  );
}

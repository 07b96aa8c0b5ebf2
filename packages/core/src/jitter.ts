import { createHash } from 'node:crypto';

/** A connection's jitter, -1 … 1: the same in every process, different for every connection. */
export function jitterOf(registration: string, connectionId: string): number {
  const digest = createHash('sha256').update(`${registration}\n${connectionId}`).digest();
  return digest.readUInt32BE(0) / 0x7fff_ffff - 1;
}

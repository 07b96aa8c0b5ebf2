import { idFromBytes, idToBytes } from '@hq-oauth/core';

/**
 * A registration or id as lower-case hexadecimal of its bytes: no text can hold a separator or a hash tag (F79), and
 * digits are ordered as the bytes are, which is the order of a sorted set whose scores are equal.
 */
export function hexOf(text: string): string {
  return Buffer.from(idToBytes(text)).toString('hex');
}

/** The text that `hexOf` was given. */
export function textOf(hex: string): string {
  return idFromBytes(Buffer.from(hex, 'hex'));
}

/** - `too_long`: the rest was not read. - `unknown_characters`: the bytes are none in the encoding that they claim to be in. */
export type ReadText =
  | { readonly text: string; readonly problem: null }
  | { readonly text: null; readonly problem: 'too_long' | 'unknown_characters' };

/** An XML declaration is in ASCII, and stands first. */
const DECLARED = /^<\?xml[^>]{0,200}?\bencoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z][\w.-]{0,40})["']/;
const DECLARATION_BYTES = 300;

/**
 * The text of an answer, in the encoding that its byte order mark, its content type or its XML declaration names, in
 * this order, else in UTF-8. No character is put in the place of one that cannot be read.
 * @see {@link https://www.rfc-editor.org/rfc/rfc7303#section-3 RFC 7303, section 3}
 */
export async function textOf(response: Response, mostBytes: number): Promise<ReadText> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    // Leaving the loop cancels the stream.
    if (size > mostBytes) return { text: null, problem: 'too_long' };
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks, size);
  try {
    const decoder = new TextDecoder(encodingOf(bytes, response.headers.get('content-type')), { fatal: true });
    return { text: decoder.decode(bytes), problem: null };
  } catch {
    return { text: null, problem: 'unknown_characters' };
  }
}

function encodingOf(bytes: Uint8Array, contentType: string | null): string {
  const [first, second] = bytes;
  if (first === 0xef && second === 0xbb) return 'utf-8';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  const named = /;[ \t]*charset[ \t]*=[ \t]*"?([^\s;",]+)/i.exec(contentType ?? '')?.[1];
  if (named !== undefined) return named;
  // Only UTF-16 has a zero beside the first character of XML or JSON.
  if (first === 0 && second !== undefined && second !== 0) return 'utf-16be';
  if (second === 0 && first !== undefined && first !== 0) return 'utf-16le';
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, DECLARATION_BYTES));
  const declared = DECLARED.exec(start.trimStart())?.[1] ?? 'utf-8';
  // A declaration that can be read byte by byte is not in UTF-16, whatever it says: some programs write so.
  return /^utf-?16/i.test(declared) ? 'utf-8' : declared;
}

import { describe, expect, it } from 'vitest';
import { asList, readAnswer } from './api-answer.ts';

const answer = (body: string | null, init: ResponseInit = {}): Response => new Response(body, init);

describe('asList', () => {
  it.each<[unknown, unknown[]]>([
    [undefined, []],
    [null, []],
    ['', []],
    [{ id: '1' }, [{ id: '1' }]],
    [
      [{ id: '1' }, { id: '2' }],
      [{ id: '1' }, { id: '2' }],
    ],
    [0, [0]],
  ])('makes a list of %j', (given, expected) => {
    expect(asList(given)).toEqual(expected);
  });
});

describe('readAnswer', () => {
  it.each<[string, string, unknown]>([
    ['JSON', '{"site":[{"id":1}]}', { site: [{ id: 1 }] }],
    ['JSON after a byte order mark', '\uFEFF{"a":1}', { a: 1 }],
    ['XML', '<sites><site><id>1</id></site></sites>', { site: { id: '1' } }],
    ['XML with a declaration', '<?xml version="1.0"?>\n<a><b>x</b></a>', { b: 'x' }],
    ['several items', '<a><b>1</b><b>2</b></a>', { b: ['1', '2'] }],
    ['attributes', '<isheet totalrecordcount="2"><data/></isheet>', { totalrecordcount: '2', data: '' }],
    ['entities', '<a b="&lt;&#x41;">R&amp;D</a>', { b: '<A', value: 'R&D' }],
    ['what looks like a number', '<a><b>0012e3</b></a>', { b: '0012e3' }],
    ['nothing', '  ', null],
  ])('reads %s', async (_, body, expected) => {
    expect(await readAnswer(answer(body))).toEqual(expected);
  });

  it.each([
    ['text', 'plain'],
    ['unclosed XML', '<a><b></a>'],
    ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['an unknown entity', '<a>&b;</a>'],
  ])('F99 refuses %s', async (_, body) => {
    await expect(readAnswer(answer(body))).rejects.toMatchObject({ code: 'api_request', apiStatus: 200 });
  });

  it('F76 does not touch the prototype', async () => {
    await readAnswer(answer('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'));
    await readAnswer(answer('<a><b>1</b></a>'));
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it.each<[string, number, string, string, string | null]>([
    [
      'permission_denied',
      403,
      'application/xml',
      '<response><message>You may not</message></response>',
      'You may not',
    ],
    ['permission_denied', 403, 'application/json', '{"error":{"message":"No\\n way"}}', 'No way'],
    ['permission_denied', 403, 'text/html', '<html><p>x</p></html>', null],
    [
      'api_request',
      404,
      'application/xml',
      '<response><statuscode>404</statuscode><message>None</message></response>',
      'None',
    ],
    ['api_request', 500, 'text/plain', 'oops', null],
  ])('says %s with the API’s own words for a %i in %s', async (code, status, type, body, apiMessage) => {
    const error = await readAnswer(answer(body, { status, headers: { 'content-type': type } })).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code, apiMessage });
    if (code === 'api_request') expect(error).toMatchObject({ apiStatus: status, retryable: status >= 500 });
  });

  it('F26 does not read an endless error to its end', async () => {
    let chunks = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        chunks += 1;
        controller.enqueue(new Uint8Array(16 * 1024).fill(0x20));
      },
    });
    await expect(readAnswer(new Response(body, { status: 500 }))).rejects.toMatchObject({ apiMessage: null });
    expect(chunks).toBeLessThan(10);
  });
});

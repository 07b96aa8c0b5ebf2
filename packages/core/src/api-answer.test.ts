import { describe, expect, it } from 'vitest';
import { asList, readAnswer } from './api-answer.ts';
import { readXml } from './api-xml.ts';
import { systemClock } from './clock.ts';
import { cpuMs } from './cpu-time.fixture.ts';

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
    [
      'text as it stands in CDATA',
      '<a><b><![CDATA[R & D &amp; <i>x</i>]]></b></a>',
      { b: 'R & D &amp; <i>x</i>' },
    ],
    [
      'text beside CDATA',
      '<a>\n <b> R &amp; <![CDATA[D &nbsp;]]> x </b>\n <c>\n<![CDATA[ kept ]]>\n</c></a>',
      { b: 'R & D &nbsp; x', c: ' kept ' },
    ],
    ['an element called value', '<a><b><value>5</value></b></a>', { b: { value: '5' } }],
    [
      'names that objects have',
      '<a><toString>1</toString><constructor>2</constructor><hasOwnProperty/><x/></a>',
      { toString: '1', constructor: '2', hasOwnProperty: '', x: '' },
    ],
    [
      'an attribute and an element of one name',
      '<i id="1"><id>2</id><id>3</id></i>',
      { id: ['1', '2', '3'] },
    ],
    ['an element called value beside text', '<a>x<value>y</value></a>', { value: ['y', 'x'] }],
    [
      'no document type in CDATA',
      '<a><b><![CDATA[<!DOCTYPE html>]]></b><!-- <!ENTITY --></a>',
      { b: '<!DOCTYPE html>' },
    ],
    ['hard spaces', '<a><b>&#160;\u00a0</b></a>', { b: '\u00a0\u00a0' }],
    [
      'what stands around the root',
      '<?xml version="1.0"?><!-- a --><a b=\'"\' c="\'"/><?x y?>\n',
      { b: '"', c: "'" },
    ],
  ])('reads %s', async (_, body, expected) => {
    expect(await readAnswer(answer(body))).toEqual(expected);
  });

  it.each([
    ['text', 'plain'],
    ['unclosed XML', '<a><b></a>'],
    ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['an unknown entity', '<a>&b;</a>'],
    ['an ampersand by itself', '<a b="R & D"/>'],
    ['two roots', '<a/><b/>'],
    ['text behind the root', '<a/>x'],
    ['text before the root', '<?xml version="1.0"?>x<a/>'],
    ['a document type behind a comment', '<!-- --><!DOCTYPE a><a/>'],
    ['a comment without an end', '<a><!-- </a>'],
    ['an element without an end', '<a><b>1</b>'],
    ['a closing tag too many', '<a></a></a>'],
    ['an attribute twice', '<a b="1" b="2"/>'],
    ['an attribute without quotes', '<a b=1/>'],
    ['a hundred thousand elements in one another', '<a>'.repeat(100_000)],
  ])('F99 refuses %s', async (_, body) => {
    await expect(readAnswer(answer(body))).rejects.toMatchObject({ code: 'api_request', apiStatus: 200 });
  });

  it.each<[string, string, Uint8Array]>([
    [
      'its content type',
      'application/xml; charset=ISO-8859-1',
      Buffer.from('<a><b>caf\u00e9</b></a>', 'latin1'),
    ],
    [
      'its declaration',
      'application/xml',
      Buffer.from('<?xml version="1.0" encoding="windows-1252"?><a><b>caf\u00e9</b></a>', 'latin1'),
    ],
    [
      'its byte order mark',
      'text/xml; charset=utf-8',
      Buffer.from('\ufeff<a><b>caf\u00e9</b></a>', 'utf16le'),
    ],
    [
      'UTF-8, where a declaration that is in it speaks of UTF-16',
      'application/xml',
      Buffer.from('<?xml version="1.0" encoding="utf-16"?><a><b>caf\u00e9</b></a>'),
    ],
    ['UTF-16 that says nothing', '', Buffer.from('{"b":"caf\u00e9"}', 'utf16le')],
    ['UTF-8, when nothing is said', 'application/json', Buffer.from('{"b":"caf\u00e9"}')],
  ])('reads the characters by %s', async (_, type, body) => {
    expect(await readAnswer(new Response(body, { headers: type ? { 'content-type': type } : {} }))).toEqual({
      b: 'caf\u00e9',
    });
  });

  it.each(['application/xml', 'application/xml; charset=utf-8', 'application/xml; charset=nobody-knows'])(
    'does not put others in the place of characters that are none in %s',
    async (type) => {
      const body = Buffer.from('<a>caf\u00e9</a>', 'latin1');
      const read = readAnswer(new Response(body, { headers: { 'content-type': type } }));
      await expect(read).rejects.toThrow('encoding');
    },
  );

  it('reads what the provider sends of an iSheet', async () => {
    const items = `<isheet totalrecordcount="1" status="ok"><status>active</status><head><headcolumn><columnid>7</columnid></headcolumn></head>
      <data><item><itemid>1</itemid><column attributecolumnid="7"><rawdata><value>R &amp; D</value></rawdata>
      <displaydata><![CDATA[<b>R &amp; D</b>]]></displaydata></column></item></data></isheet>`;
    expect(await readAnswer(answer(items))).toEqual({
      totalrecordcount: '1',
      status: ['ok', 'active'],
      head: { headcolumn: { columnid: '7' } },
      data: {
        item: {
          itemid: '1',
          column: { attributecolumnid: '7', rawdata: { value: 'R & D' }, displaydata: '<b>R &amp; D</b>' },
        },
      },
    });
  });

  it('F99 lets others have their turn while it reads a large answer', async () => {
    const item = '<item><itemid>1</itemid><rawdata><value>x</value></rawdata></item>';
    const markup = `<a>${item.repeat(5_000)}</a>`;
    const references = `<a>${'&#65;'.repeat(60_000)}</a>`;
    for (const body of [markup, references]) {
      let turns = 0;
      let over = false;
      const turn = (): void => {
        turns += 1;
        if (!over) systemClock.afterIo(turn);
      };
      const read = readAnswer(answer(body));
      turn();
      const value = await read;
      over = true;
      expect(turns).toBeGreaterThan(3);
      if (body === references) expect(value).toBe('A'.repeat(60_000));
      else expect((value as { item: unknown[] }).item).toHaveLength(5_000);
    }
  });

  it('F99 F100 takes no longer for each part of a long text than for the first', () => {
    const body = `<a>${'x'.repeat(32 * 1024 * 1024)}</a>`;
    const read = (): void => {
      for (const _ of readXml(body));
    };
    expect(cpuMs(read)).toBeLessThan(1_000);
  });

  it('F76 does not touch the prototype', async () => {
    await readAnswer(answer('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'));
    expect(
      await readAnswer(answer('<a __proto__="1"><__proto__><polluted>1</polluted></__proto__><b>1</b></a>')),
    ).toEqual({
      b: '1',
    });
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
    ['permission_denied', 403, 'application/json', '{"errors":[{"message":"No"},{"message":"x"}]}', 'No'],
    ['permission_denied', 403, 'application/xml', '<r><error>No</error><error>x</error></r>', 'No'],
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

import { describe, expect, it } from 'vitest';
import { type Incoming, requestOf } from './incoming.ts';

const from = (more: Partial<Incoming> = {}): Request =>
  requestOf({
    protocol: 'https',
    address: '/highq/connect?a=1',
    method: 'GET',
    rawHeaders: ['Host', 'app.example'],
    ...more,
  });

describe('requestOf', () => {
  it('takes headers as they came, also those that came twice', async () => {
    const rawHeaders = [
      'Host',
      'app.example',
      'Cookie',
      'a=1',
      'Cookie',
      'b=2',
      'Accept',
      'x/y',
      'Accept',
      '*/*',
    ];
    const { url, headers } = from({ rawHeaders });
    expect([url, headers.get('cookie')]).toEqual(['https://app.example/highq/connect?a=1', 'a=1; b=2']);
    expect(headers.get('accept')).toBe('x/y, */*');
  });

  it('knows the authority of HTTP/2, and no header of its own for a header', () => {
    const { url, headers } = from({
      rawHeaders: [':method', 'GET', ':authority', 'app.example:8443', 'te', 'x'],
    });
    expect(new URL(url).host).toBe('app.example:8443');
    expect([...headers.keys()]).toEqual(['te']);
  });

  it.each(['', 'a b', '[', 'evil.example/highq/status?', 'evil.example#', 'x@evil.example', 'a\\b', '%00'])(
    'keeps the path whatever the Host header holds: %j',
    (host) => {
      const { url } = from({ rawHeaders: ['Host', host] });
      expect(url).toBe('http://host.invalid/highq/connect?a=1');
    },
  );

  it('takes the text fields that a body parser has left, and the stream only where it has left none', async () => {
    let asked = 0;
    const stream = (): string => {
      asked += 1;
      return 'as=it-came';
    };
    const parsed = { returnTo: '/', deep: { no: 1 }, list: ['no'] };
    expect(await from({ method: 'POST', parsed, stream }).text()).toBe('returnTo=%2F');
    expect(from({ parsed, stream }).body).toBeNull();
    expect(asked).toBe(0);
    expect(await from({ method: 'POST', stream }).text()).toBe('as=it-came');
    expect(await from({ method: 'POST', stream: () => null }).text()).toBe('');
  });
});

import { describe, expect, it } from 'vitest';
import { cpuMs } from '../cpu-time.fixture.ts';
import { scrubUrl } from './scrub-url.ts';

describe('scrubUrl', () => {
  it.each([
    ['/highq/callback?code=s3cret', '/highq/callback?code=[redacted]'],
    ['/highq/callback?a=1&CODE=s3cret&b=2#c', '/highq/callback?a=1&CODE=[redacted]&b=2#c'],
    ['/highq/callback?code[]=s3cret&code=two', '/highq/callback?code[]=[redacted]&code=[redacted]'],
    ['https://app.example/x?state=s3cret', 'https://app.example/x?state=[redacted]'],
    ['/sites?encode=kept&postcode=kept', '/sites?encode=kept&postcode=kept'],
    ['/sites', '/sites'],
  ])('F98 makes %s fit for a log', (url, scrubbed) => {
    expect(scrubUrl(url)).toBe(scrubbed);
  });

  it('F100 takes linear time', () => {
    const hostile = `/?${'code['.repeat(50_000)}${'&code='.repeat(50_000)}`;
    expect(cpuMs(() => scrubUrl(hostile))).toBeLessThan(500);
  });
});

import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');
// The unspecified address reaches this machine, so it is loopback by another name.
loopback.addAddress('0.0.0.0');
loopback.addAddress('::', 'ipv6');

const metadata = new BlockList();
metadata.addSubnet('169.254.0.0', 16);
metadata.addSubnet('fe80::', 10, 'ipv6');
metadata.addAddress('fd00:ec2::254', 'ipv6');
metadata.addAddress('100.100.100.200');

/**
 * Where a URL's host is. `metadata`: link-local, where clouds answer with a machine's credentials. By the name or
 * address as written, without a look-up; the URL parser has already turned `0x7f.1` and the like into an address.
 */
export function hostKind(url: URL): 'loopback' | 'metadata' | 'other' {
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const version = isIP(host);
  if (version === 0) {
    if (host === 'localhost' || host.endsWith('.localhost')) return 'loopback';
    return host === 'metadata.google.internal' ? 'metadata' : 'other';
  }
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (loopback.check(host, family)) return 'loopback';
  return metadata.check(host, family) ? 'metadata' : 'other';
}

import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { lookup as dnsLookupAsync } from 'node:dns/promises';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { FloError } from '#domain/errors';

export type GuardOptions = {
  /** Lets loopback, private and other addresses that are not of the public internet pass. */
  allowPrivate: boolean;
};

/** Not of the public internet: the IANA registries of special-purpose IPv4 and IPv6 addresses. */
const SPECIAL_IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const;

/** Everything but 2000::/3, and what stands in there for other networks or for IPv4 addresses. */
const SPECIAL_IPV6 = [
  ['::', 3],
  ['4000::', 2],
  ['8000::', 1],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const;

// Two lists, since one would check IPv4 addresses in their IPv6 form too, and `::/3` holds them all.
const specialIpv4 = new BlockList();
for (const [network, prefix] of SPECIAL_IPV4) specialIpv4.addSubnet(network, prefix, 'ipv4');
const specialIpv6 = new BlockList();
for (const [network, prefix] of SPECIAL_IPV6) specialIpv6.addSubnet(network, prefix, 'ipv6');

export const isPublicAddress = (address: string): boolean => {
  const family = isIP(address);
  if (family === 4) return !specialIpv4.check(address, 'ipv4');
  return family === 6 && !specialIpv6.check(address, 'ipv6');
};

const refusePrivate = (): FloError =>
  new FloError(
    'invalid_request',
    'The base URL leads to an address that is not public. Use a public one, or set FLO2_ALLOW_PRIVATE_UPSTREAMS=true for development.',
    { param: 'base_url' },
  );

const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

/** Checks what the URL itself shows; throws `FloError` `invalid_request`. */
export const assertPublicUrl = (url: URL, options: GuardOptions): void => {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new FloError('invalid_request', 'The base URL must begin with https:// or http://.', {
      param: 'base_url',
    });
  }
  if (url.username !== '' || url.password !== '') {
    throw new FloError('invalid_request', 'The base URL must not hold a user name or password.', {
      param: 'base_url',
    });
  }
  const host = hostOf(url);
  if (!options.allowPrivate && isIP(host) !== 0 && !isPublicAddress(host)) throw refusePrivate();
};

/** Checks the URL and what its name leads to now; rejects with `FloError` `invalid_request`. */
export const checkPublicUrl = async (url: URL, options: GuardOptions): Promise<void> => {
  assertPublicUrl(url, options);
  if (options.allowPrivate) return;
  let addresses: LookupAddress[];
  try {
    addresses = await dnsLookupAsync(hostOf(url), { all: true });
  } catch (cause) {
    throw new FloError('invalid_request', 'The name in the base URL cannot be looked up.', {
      param: 'base_url',
      cause,
    });
  }
  if (!addresses.every(({ address }) => isPublicAddress(address))) throw refusePrivate();
};

/**
 * A look-up for sockets that lets no special address pass, so a name that changes its address after it was
 * checked gains nothing.
 */
export const guardedLookup = (options: GuardOptions): LookupFunction => {
  return (hostname, lookupOptions, callback) => {
    dnsLookup(hostname, { ...lookupOptions, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, '');
        return;
      }
      const allowed = options.allowPrivate
        ? addresses
        : addresses.filter(({ address }) => isPublicAddress(address));
      const [first] = allowed;
      if (first === undefined) callback(refusePrivate(), '');
      else if (lookupOptions.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
};

import { describe, expect, it } from 'vitest';
import { assertPublicUrl, checkPublicUrl, guardedLookup, isPublicAddress } from './address-guard.ts';

const GUARDED = { allowPrivate: false };

describe('the address guard', () => {
  it.each([
    '127.0.0.1',
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '169.254.169.254',
    '172.31.255.255',
    '192.168.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::7f00:1',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '2002:7f00:1::',
    'no address',
  ])('takes %s for no public address', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111'])('takes %s for public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    'http://127.0.0.1/v1',
    'http://2130706433/v1',
    'http://0x7f.1/v1',
    'http://[::1]:8080/v1',
    'http://[::ffff:7f00:1]/v1',
    'https://user:password@example.com/v1',
    'ftp://example.com/v1',
    'file:///etc/passwd',
  ])('refuses %s by what it shows', (url) => {
    expect(() => assertPublicUrl(new URL(url), GUARDED)).toThrow(/base URL/);
  });

  it('refuses a name that leads to a private address, when it is registered and when it is used', async () => {
    await expect(checkPublicUrl(new URL('http://localhost/v1'), GUARDED)).rejects.toThrow(/not public/);
    const answer = await new Promise((resolve) => {
      guardedLookup(GUARDED)('localhost', { all: true }, (error) => resolve(error));
    });
    expect(answer).toMatchObject({ code: 'invalid_request' });
  });

  it('lets development through where it is allowed', async () => {
    await checkPublicUrl(new URL('http://localhost:9000/v1'), { allowPrivate: true });
    const address = await new Promise((resolve) => {
      guardedLookup({ allowPrivate: true })('localhost', {}, (_, found) => resolve(found));
    });
    expect(address).toMatch(/^(127\.0\.0\.1|::1)$/);
  });
});

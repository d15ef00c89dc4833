import { describe, expect, it } from 'vitest';
import { readAttribution, type RequestLabels } from './attribution.ts';

const key = (changes: object = {}) => ({
  team: null,
  feature: null,
  tags: {},
  allowOverride: false,
  ...changes,
});
const labels = (headers: RequestLabels['headers'], rest: Partial<RequestLabels> = {}): RequestLabels => ({
  headers,
  endUser: null,
  metadata: {},
  ...rest,
});

describe('attribution', () => {
  it('takes the request’s headers', () => {
    const headers = {
      'x-flo2-team': 'search',
      'x-flo2-feature': 'summary',
      'x-flo2-user': 'u1',
      'x-flo2-tags': 'env=prod, region = eu',
    };
    expect(readAttribution(labels(headers), key())).toEqual({
      team: 'search',
      feature: 'summary',
      user: 'u1',
      tags: { env: 'prod', region: 'eu' },
    });
  });

  it('lets the key’s own labels win, unless it allows overriding', () => {
    const request = labels({ 'x-flo2-team': 'mine', 'x-flo2-tags': 'env=mine' });
    const own = { team: 'theirs', tags: { env: 'theirs' } };
    expect(readAttribution(request, key(own))).toEqual({ team: 'theirs', tags: { env: 'theirs' } });
    expect(readAttribution(request, key({ ...own, allowOverride: true }))).toEqual({
      team: 'mine',
      tags: { env: 'mine' },
    });
  });

  it('takes the dialect’s fields where no header says otherwise', () => {
    const request = labels(
      { 'x-flo2-tags': 'a=header' },
      { endUser: 'body', metadata: { a: 'body', b: 'body' } },
    );
    expect(readAttribution(request, key())).toEqual({ user: 'body', tags: { a: 'header', b: 'body' } });
  });

  it('leaves out metadata beyond the bounds', () => {
    const metadata = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`k${index}`, 'v']));
    expect(Object.keys(readAttribution(labels({}, { metadata }), key()).tags)).toHaveLength(16);
    expect(readAttribution(labels({}, { metadata: { long: 'x'.repeat(300) } }), key()).tags).toEqual({});
  });

  it.each([
    ['x-flo2-tags', 'novalue'],
    ['x-flo2-tags', '=v'],
    ['x-flo2-tags', `${'k'.repeat(65)}=v`],
    ['x-flo2-tags', Array.from({ length: 17 }, (_, index) => `k${index}=v`).join(',')],
    ['x-flo2-team', 'x'.repeat(257)],
  ])('refuses a bad %s, naming it', (header, value) => {
    expect(() => readAttribution(labels({ [header]: value }), key())).toThrow(header);
  });
});

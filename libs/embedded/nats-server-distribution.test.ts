import { describe, expect, it } from 'vitest';
import { decodeDeb822Sources, decodeIndexTargets, decodeSourcesList } from './nats-server-distribution.ts';

describe('decodeIndexTargets', () => {
  const target = (fields: Record<string, string>): string =>
    Object.entries({ MetaKey: 'main/binary-amd64/Packages', ...fields })
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n');
  const debian = {
    Label: 'Debian',
    Origin: 'Debian',
    'Repo-URI': 'http://mirror.example/debian/',
    'Signed-By': '/usr/share/keyrings/debian-archive-keyring.gpg',
  };

  it('gives each mirror of the distribution once', () => {
    const text = `${target(debian)}\n\n${target({ ...debian, MetaKey: 'main/i18n/Translation-en' })}\n`;
    expect(decodeIndexTargets(text)).toEqual([
      {
        origin: 'Debian',
        uri: 'http://mirror.example/debian/',
        signedBy: '/usr/share/keyrings/debian-archive-keyring.gpg',
      },
    ]);
  });
  it('leaves out security archives and those of others', () => {
    const security = { ...debian, Label: 'Debian-Security', 'Repo-URI': 'http://mirror.example/security/' };
    const other = { Origin: 'Node Source', Label: 'Node Source', 'Repo-URI': 'https://other.example/' };
    expect(decodeIndexTargets(`${target(security)}\n\n${target(other)}`)).toEqual([]);
    expect(decodeIndexTargets('')).toEqual([]);
  });
  it('takes no address and no keyring that would change the meaning of a source line', () => {
    expect(
      decodeIndexTargets(target({ ...debian, 'Repo-URI': 'http://mirror.example/ [trusted=yes]' })),
    ).toEqual([]);
    const [mirror] = decodeIndexTargets(target({ ...debian, 'Signed-By': '/a.gpg trusted=yes' }));
    expect(mirror?.signedBy).toBeNull();
  });
});

describe('decodeDeb822Sources', () => {
  it('reads enabled binary sources whose address ends with the name of the distribution', () => {
    const text = [
      'Types: deb deb-src',
      '# a snapshot',
      'URIs: http://mirror.example/debian https://other.example/debian-security',
      'Suites: bookworm bookworm-updates',
      'Components: main',
      'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
      '',
      'Types: deb',
      'URIs: http://archive.example/ubuntu/',
      'Suites: noble',
      '',
      'Types: deb',
      'Enabled: no',
      'URIs: http://off.example/debian',
      '',
      'Types: deb-src',
      'URIs: http://sources.example/debian',
    ].join('\n');
    expect(decodeDeb822Sources(text)).toEqual([
      {
        origin: 'Debian',
        uri: 'http://mirror.example/debian',
        signedBy: '/usr/share/keyrings/debian-archive-keyring.gpg',
      },
      { origin: 'Ubuntu', uri: 'http://archive.example/ubuntu/', signedBy: null },
    ]);
  });
  it('leaves out a key that stands in the file itself', () => {
    const text =
      'Types: deb\nURIs: http://mirror.example/debian\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n';
    expect(decodeDeb822Sources(text)).toEqual([
      { origin: 'Debian', uri: 'http://mirror.example/debian', signedBy: null },
    ]);
  });
});

describe('decodeSourcesList', () => {
  it('reads lines with and without options and leaves out the rest', () => {
    const text = [
      '# deb http://comment.example/debian bookworm main',
      'deb http://mirror.example/debian bookworm main',
      'deb http://mirror.example/debian bookworm-updates main',
      'deb [arch=amd64 signed-by=/k.gpg] mirror+file:/etc/apt/mirrors/debian bookworm main',
      'deb-src http://mirror.example/debian bookworm main',
      'deb https://other.example/cloud stable main',
      '',
    ].join('\n');
    expect(decodeSourcesList(text)).toEqual([
      { origin: 'Debian', uri: 'http://mirror.example/debian', signedBy: null },
      { origin: 'Debian', uri: 'mirror+file:/etc/apt/mirrors/debian', signedBy: '/k.gpg' },
    ]);
  });
});

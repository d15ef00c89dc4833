import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { IdMint } from '#domain/mint-id';
import { createVault, VaultError } from './vault.ts';

const mint = new IdMint({ nowMs: () => 1, fillRandom: (bytes) => crypto.getRandomValues(bytes) });
const SECRET = 'sk-the-secret-itself';

const setUp = () => {
  const vault = createVault({ masterKey: randomBytes(32) });
  const owner = {
    tenantId: mint.mint('ten'),
    dataKeyVersion: 1,
    providerKeyId: mint.mint('pkey'),
    secretVersion: 1,
  };
  const dataKey = vault.mintDataKey(owner);
  return { vault, owner, dataKey, sealed: vault.seal(dataKey, owner, SECRET) };
};

describe('the vault', () => {
  it('opens what it sealed, and never seals the same way twice', () => {
    const { vault, owner, dataKey, sealed } = setUp();
    expect(vault.open(dataKey, owner, sealed)).toBe(SECRET);
    expect(vault.seal(dataKey, owner, SECRET).equals(sealed)).toBe(false);
    expect(sealed.includes(SECRET)).toBe(false);
  });

  it('opens nothing under another owner', () => {
    const { vault, owner, dataKey, sealed } = setUp();
    for (const other of [
      { ...owner, tenantId: mint.mint('ten') },
      { ...owner, providerKeyId: mint.mint('pkey') },
      { ...owner, secretVersion: 2 },
      { ...owner, dataKeyVersion: 2 },
    ]) {
      expect(() => vault.open(dataKey, other, sealed)).toThrow(VaultError);
    }
  });

  it('opens nothing under another master key', () => {
    const { owner, dataKey, sealed } = setUp();
    const stranger = createVault({ masterKey: randomBytes(32) });
    expect(() => stranger.open(dataKey, owner, sealed)).toThrow(VaultError);
  });

  it('sees any changed byte, and names nothing', () => {
    const { vault, owner, dataKey, sealed } = setUp();
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(() => vault.open(dataKey, owner, changed)).toThrow(/^(?!.*sk-)/);
    }
    expect(() => vault.open(dataKey, owner, sealed.subarray(0, 20))).toThrow(VaultError);
  });

  it('takes only a master key of 32 bytes', () => {
    expect(() => createVault({ masterKey: Buffer.alloc(16) })).toThrow(/32 bytes/);
  });
});

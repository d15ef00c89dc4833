import { describe, expect, it } from 'vitest';
import { isStale } from './install-lock.mjs';
import { isInstalled } from './installed.mjs';
import { runsTypeScript } from './project-node.mjs';

describe('isInstalled', () => {
  const wanted = {
    packages: {
      '': {},
      'node_modules/pg': { version: '8.0.0', integrity: 'sha512-a' },
      'node_modules/vitest': { version: '4.0.0', integrity: 'sha512-b', dev: true },
      'node_modules/only-elsewhere': { version: '1.0.0', integrity: 'sha512-c', optional: true },
    },
  };
  const pg = { 'node_modules/pg': { version: '8.0.0', integrity: 'sha512-a' } };
  const vitest = { 'node_modules/vitest': { version: '4.0.0', integrity: 'sha512-b' } };

  it('takes what the lockfile asks for, without the packages of other platforms', () => {
    expect(isInstalled(wanted, { packages: { ...pg, ...vitest } }, { withDevelopment: true })).toBe(true);
  });
  it('asks for development packages only where they are needed', () => {
    expect(isInstalled(wanted, { packages: pg }, { withDevelopment: false })).toBe(true);
    expect(isInstalled(wanted, { packages: pg }, { withDevelopment: true })).toBe(false);
  });
  it('refuses another version, another content and an install that was cut off', () => {
    const other = { 'node_modules/pg': { version: '8.0.1', integrity: 'sha512-a' } };
    const altered = { 'node_modules/pg': { version: '8.0.0', integrity: 'sha512-x' } };
    expect(isInstalled(wanted, { packages: other }, { withDevelopment: false })).toBe(false);
    expect(isInstalled(wanted, { packages: altered }, { withDevelopment: false })).toBe(false);
    expect(isInstalled(wanted, {}, { withDevelopment: false })).toBe(false);
  });
});

describe('the install lock', () => {
  const nowMs = 1_000_000;
  it('is respected while its owner lives and touches it', () => {
    expect(isStale({ pid: 7, touchedMs: nowMs - 2_000 }, { nowMs, isAlive: () => true })).toBe(false);
  });
  it('is stale at once when its owner is gone', () => {
    expect(isStale({ pid: 7, touchedMs: nowMs }, { nowMs, isAlive: () => false })).toBe(true);
  });
  it('is stale when nobody touches it, though a later process has the same id', () => {
    expect(isStale({ pid: 7, touchedMs: nowMs - 60_000 }, { nowMs, isAlive: () => true })).toBe(true);
  });
  it('is respected in the moment between its creation and the writing of the id', () => {
    expect(isStale({ pid: 0, touchedMs: nowMs }, { nowMs, isAlive: () => false })).toBe(false);
  });
});

describe('runsTypeScript', () => {
  it.each([
    ['v24.12.0', true],
    ['v25.0.0', true],
    ['v24.11.1', false],
    ['v20.20.2', false],
  ])('knows of Node %s: %s', (version, expected) => {
    expect(runsTypeScript(version)).toBe(expected);
  });
});

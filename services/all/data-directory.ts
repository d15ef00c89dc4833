/** What `npm start` keeps beside its embedded servers: generated keys, and notes of what is done. */
import { randomBytes } from 'node:crypto';
import { access, readFile, rename, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import type { z } from 'zod';
import { lockDataDirectory } from '#embedded/data-directory-lock';
import type { Resources } from '#runtime/resources';
import { SETTINGS } from '#runtime/settings';

export type StoredKey<Value> = { value: Value; text: string; path: string; isNew: boolean };

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Appears whole or not at all, and only its owner can read it. */
export const writePrivateFile = async (path: string, text: string): Promise<void> => {
  const unfinished = `${path}.${randomBytes(4).toString('hex')}.new`;
  await writeFile(unfinished, text, { mode: 0o600, flag: 'wx' });
  await rename(unfinished, path);
};

/** As a person would name it from where they are. */
export const showPath = (path: string): string => {
  const fromHere = relative(process.cwd(), path);
  return fromHere === '' || fromHere.startsWith('..') ? path : fromHere;
};

const readOrCreateKey = async <Value>(
  path: string,
  schema: z.ZodType<Value | null, string>,
  create: () => string,
): Promise<StoredKey<Value>> => {
  const isNew = !(await exists(path));
  if (isNew) await writePrivateFile(path, `${create()}\n`);
  const text = (await readFile(path, 'utf8')).trim();
  const parsed = schema.safeParse(text);
  if (!parsed.success || parsed.data === null) {
    throw new Error(`${showPath(path)} holds no such key: restore the file from a copy.`);
  }
  return { value: parsed.data, text, path, isNew };
};

export type DataDirectory = {
  path: string;
  adminKey: () => Promise<StoredKey<string>>;
  /** Call it before the embedded Postgres first starts: a database without its key is refused. */
  masterKey: () => Promise<StoredKey<Buffer>>;
  isDone: (what: string) => Promise<boolean>;
  noteDone: (what: string) => Promise<void>;
};

/** Rejects when another live flo2 uses the directory. */
export const openDataDirectory = async (path: string, resources: Resources): Promise<DataDirectory> => {
  const directory = resolve(path);
  await resources.open(
    'the lock of the data directory',
    () => lockDataDirectory(directory),
    (lock) => lock.release(),
  );
  const at = (name: string): string => join(directory, name);
  return {
    path: directory,
    adminKey: () =>
      readOrCreateKey(
        at('admin-key'),
        SETTINGS.adminKey.schema,
        () => `flo2_admin_${randomBytes(24).toString('hex')}`,
      ),
    masterKey: async () => {
      if (!(await exists(at('master-key'))) && (await exists(at('postgres')))) {
        throw new Error(
          `${showPath(at('master-key'))} is missing, and the provider keys in the database beside it cannot be opened without: restore it, set FLO2_MASTER_KEY to the key, or delete ${showPath(directory)} to start afresh.`,
        );
      }
      return readOrCreateKey(at('master-key'), SETTINGS.masterKey.schema, () =>
        randomBytes(32).toString('base64'),
      );
    },
    isDone: (what) => exists(at(`${what}.done`)),
    noteDone: (what) => writePrivateFile(at(`${what}.done`), ''),
  };
};

import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';

/** Makes a new password and keeps it at `path`, for this user alone. Of hex digits, so it fits into a URL. */
export const createPassword = async (path: string): Promise<string> => {
  const password = randomBytes(24).toString('hex');
  await rm(path, { force: true });
  await writeFile(path, `${password}\n`, { mode: 0o600, flag: 'wx' });
  return password;
};

/** Null when there is none at `path` or it cannot be read. */
export const readPassword = async (path: string): Promise<string | null> => {
  const password = (await readFile(path, 'utf8').catch(() => '')).trim();
  return password === '' ? null : password;
};

import { readdir, readFile } from 'node:fs/promises';

/** Of the kernel's clock, by which it tells processor time. */
const TICK_MS = 10;

type Seen = { parent: number; ticks: number };

/** Of one process; null where it is gone, or the system does not tell. */
const look = async (pid: number): Promise<Seen | null> => {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  // Behind the program's name, which may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
};

/**
 * Processor time so far of a process, this one where none is named, and all that it has started, their own
 * included, milliseconds. Unlike the clock it is the same whatever else the machine does. 0 where the system does
 * not tell.
 */
export const processorMs = async (root = process.pid): Promise<number> => {
  const names = await readdir('/proc').catch(() => []);
  const all = new Map<number, Seen>();
  for (const name of names) {
    const seen = /^\d+$/.test(name) ? await look(Number(name)) : null;
    if (seen !== null) all.set(Number(name), seen);
  }
  const isOfIt = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = all.get(at)?.parent) {
      if (at === root) return true;
    }
    return false;
  };
  let ticks = 0;
  for (const [pid, seen] of all) if (isOfIt(pid)) ticks += seen.ticks;
  return ticks * TICK_MS;
};

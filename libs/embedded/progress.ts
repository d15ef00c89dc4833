/** Receives one sentence per step of a slow start, for a person who waits at a terminal. */
export type OnProgress = (line: string) => void;

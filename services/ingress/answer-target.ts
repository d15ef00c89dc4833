/** What an answer is written to: a client's response, or a recording that several clients follow. */
export type AnswerTarget = {
  readonly destroyed: boolean;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly writableFinished: boolean;
  readonly writableNeedDrain: boolean;
  /** False has a connection end with the answer. */
  shouldKeepAlive?: boolean;
  writeHead: (status: number, headers: Record<string, string>) => unknown;
  /** Text is a comment that is no part of the answer; bytes are. */
  write: (data: string | Uint8Array, onTaken?: (error?: Error | null) => void) => unknown;
  end: (data?: string | Uint8Array) => unknown;
  destroy: () => unknown;
  once: (event: 'close', listener: () => void) => unknown;
};

/** Somebody who is given a recorded answer, from its beginning. */
export type Follower = {
  head: (status: number, headers: Readonly<Record<string, string>>) => void;
  data: (bytes: Uint8Array) => void;
  comment: (text: string) => void;
  end: () => void;
  /** The answer was broken off without an end. */
  breakOff: () => void;
};

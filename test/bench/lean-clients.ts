/**
 * Clients that cost next to nothing, for measuring what a server does when it has too many of them: each is a
 * socket that is opened before the clock runs, writes the same bytes, and looks at no more of an answer than its
 * status, its length and its Retry-After. So the two cores go to what is measured. The loop is closed: a client
 * sends again when it has its answer, and after the wait that a refusal asks for.
 */
import { connect, type Socket } from 'node:net';
import type { Target } from './load.ts';

export type LeanAnswer = { status: number; retryAfterSeconds: number; tookMs: number };

const HEAD_END = Buffer.from('\r\n\r\n');
/** Connections that are opened at once. */
const OPENING_MAX = 64;

export const encodeRequest = ({ origin, path, headers }: Target, body: string): Buffer =>
  Buffer.from(
    [
      `POST ${path} HTTP/1.1`,
      `host: ${new URL(origin).host}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      `content-length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  );

/** One connection with at most one request under way. */
export class LeanClient {
  readonly #socket: Socket;
  readonly #request: Buffer;
  #sentMs = 0;
  #answer: LeanAnswer | null = null;
  /** Of the body, still to come. */
  #bytesLeft = 0;
  #before: Buffer | null = null;
  #settle: ((answer: LeanAnswer | null) => void) | null = null;

  constructor(socket: Socket, request: Buffer) {
    this.#socket = socket;
    this.#request = request;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#end(null));
  }

  /** Null where the connection broke, or is closed by the server. */
  send(): Promise<LeanAnswer | null> {
    if (this.#socket.destroyed) return Promise.resolve(null);
    this.#sentMs = performance.now();
    return new Promise((resolve) => {
      this.#settle = resolve;
      this.#socket.write(this.#request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    if (this.#answer !== null) {
      this.#count(bytes.length);
      return;
    }
    const all = this.#before === null ? bytes : Buffer.concat([this.#before, bytes]);
    const end = all.indexOf(HEAD_END);
    if (end < 0) {
      this.#before = all;
      return;
    }
    this.#before = null;
    const head = all.toString('latin1', 0, end);
    const status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    const retryAfter = status === 200 ? undefined : /\r\nretry-after: (\d+)/i.exec(head)?.[1];
    if (length === undefined) throw new Error(`an answer of unknown length: ${head.slice(0, 300)}`);
    this.#answer = { status, retryAfterSeconds: Number(retryAfter ?? 0), tookMs: 0 };
    this.#bytesLeft = Number(length);
    this.#count(all.length - end - HEAD_END.length);
  }

  #count(bytes: number): void {
    this.#bytesLeft -= bytes;
    if (this.#bytesLeft > 0 || this.#answer === null) return;
    this.#answer.tookMs = performance.now() - this.#sentMs;
    this.#end(this.#answer);
  }

  #end(answer: LeanAnswer | null): void {
    const settle = this.#settle;
    this.#settle = null;
    this.#answer = null;
    settle?.(answer);
  }
}

const openOne = (origin: string, request: Buffer): Promise<LeanClient> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(origin);
    const socket = connect(Number(port), hostname);
    socket.once('error', reject);
    socket.once('connect', () => resolve(new LeanClient(socket, request)));
  });

export const openClients = async (target: Target, body: string, count: number): Promise<LeanClient[]> => {
  const request = encodeRequest(target, body);
  const clients: LeanClient[] = [];
  let begun = 0;
  const lane = async (): Promise<void> => {
    while (begun < count) {
      begun += 1;
      clients.push(await openOne(target.origin, request));
    }
  };
  await Promise.all(Array.from({ length: Math.min(OPENING_MAX, count) }, lane));
  return clients;
};

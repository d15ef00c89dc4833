import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import type { Behaviour } from './behaviour.ts';
import type { StreamEvent } from './provider.ts';

/** How a delivery ended on this side; what the client makes of it shows when the connection closes. */
export type Delivered = 'whole' | 'cut' | 'hung' | 'gone';

export type Delivery = {
  response: ServerResponse;
  behaviour: Behaviour;
  /** Aborted when the client has left. */
  gone: AbortSignal;
  /** Called just before the last bytes are handed over, so that a client which has them finds the log complete. */
  beforeLast: () => void;
};

/** Writes are gathered up to this size where nothing asks for them one by one. */
const GATHERED_BYTES = 16 * 1024;

/** False where the client left meanwhile. */
export const pause = async (milliseconds: number, gone: AbortSignal): Promise<boolean> => {
  try {
    // A timer takes a millisecond at least.
    await (milliseconds === 0
      ? nextTurn(undefined, { signal: gone })
      : wait(milliseconds, undefined, { signal: gone }));
    return true;
  } catch {
    return false;
  }
};

/** Waits while the client reads more slowly than this side writes. */
const write = async ({ response, gone }: Delivery, data: string | Uint8Array): Promise<void> => {
  if (response.write(data)) return;
  try {
    await once(response, 'drain', { signal: gone });
  } catch {
    // The client left; the caller sees it by the signal.
  }
};

const writeText = async (delivery: Delivery, text: string): Promise<void> => {
  const { dripMs } = delivery.behaviour;
  if (dripMs === undefined) return write(delivery, text);
  for (const byte of Buffer.from(text)) {
    if (!(await pause(dripMs, delivery.gone))) return;
    await write(delivery, Uint8Array.of(byte));
  }
};

/** Lets what was written reach the client before the connection is destroyed. */
const destroyAfterFlush = (response: ServerResponse): void => {
  const { socket } = response;
  if (socket === null) return;
  // A write of nothing is done when all before it are; `drain` comes only where somebody was told to wait.
  if (socket.writableLength === 0) setImmediate(() => socket.destroy());
  else socket.write(new Uint8Array(), () => socket.destroy());
};

/** A whole body: bytes are what `cutAfter` and `hangAfter` count. The head has been set, not sent. */
export const deliverWhole = async (delivery: Delivery, body: string): Promise<Delivered> => {
  const { response, behaviour } = delivery;
  const bytes = Buffer.from(body);
  response.setHeader('content-length', bytes.length);
  const stopAt = behaviour.cutAfter ?? behaviour.hangAfter;
  if (stopAt !== undefined) {
    response.flushHeaders();
    if (stopAt > 0) await write(delivery, bytes.subarray(0, Math.min(stopAt, bytes.length - 1)));
    if (behaviour.cutAfter === undefined) return 'hung';
    destroyAfterFlush(response);
    return 'cut';
  }
  if (behaviour.dripMs !== undefined) {
    await writeText(delivery, body);
    if (delivery.gone.aborted) return 'gone';
    delivery.beforeLast();
    response.end();
    return 'whole';
  }
  delivery.beforeLast();
  response.end(bytes);
  return 'whole';
};

/** A body in pieces, made no faster than the client takes them; `cutAfter` and `hangAfter` count bytes. */
export const deliverPieces = async (
  delivery: Delivery,
  pieces: Iterable<string | Uint8Array>,
): Promise<Delivered> => {
  const { response, behaviour, gone } = delivery;
  const stopAt = behaviour.cutAfter ?? behaviour.hangAfter ?? Number.POSITIVE_INFINITY;
  response.flushHeaders();
  let sent = 0;
  let gathered: Buffer[] = [];
  let gatheredBytes = 0;
  const flush = async (): Promise<void> => {
    if (gatheredBytes > 0) await write(delivery, Buffer.concat(gathered));
    gathered = [];
    gatheredBytes = 0;
  };
  for (const piece of pieces) {
    const bytes = Buffer.from(piece).subarray(0, stopAt - sent);
    gathered.push(bytes);
    gatheredBytes += bytes.length;
    sent += bytes.length;
    if (sent >= stopAt) break;
    if (gatheredBytes >= GATHERED_BYTES) await flush();
    if (gone.aborted) return 'gone';
  }
  await flush();
  if (gone.aborted) return 'gone';
  if (sent >= stopAt) {
    if (behaviour.cutAfter === undefined) return 'hung';
    destroyAfterFlush(response);
    return 'cut';
  }
  delivery.beforeLast();
  response.end();
  return 'whole';
};

export type StreamDelivery = Delivery & {
  events: Iterable<StreamEvent>;
  failureEvent: () => string;
  onSent: (outputTokens: number) => void;
};

/** A stream of events. The head has been set, not sent. */
export const deliverStream = async (delivery: StreamDelivery): Promise<Delivered> => {
  const { response, behaviour, gone } = delivery;
  const oneByOne = behaviour.paceMs !== undefined || behaviour.dripMs !== undefined;
  const stopAt = behaviour.cutAfter ?? behaviour.hangAfter ?? behaviour.streamErrorAfter;
  // Alone only where something follows later: head and answer in one write cost half as much.
  if (oneByOne || stopAt !== undefined) response.flushHeaders();
  let sent = 0;
  let gathered = '';
  let outputTokens = 0;
  const flush = async (): Promise<void> => {
    delivery.onSent(outputTokens);
    const text = gathered;
    gathered = '';
    if (text !== '') await writeText(delivery, text);
  };
  for (const event of delivery.events) {
    if (sent === stopAt) return breakOff(delivery, flush);
    if (event.isEndMark && behaviour.omitEnd === true) break;
    if (behaviour.paceMs !== undefined && sent > 0 && !(await pause(behaviour.paceMs, gone))) return 'gone';
    gathered += event.text;
    ({ outputTokens } = event);
    sent += 1;
    if (event.isEndMark) delivery.onSent(outputTokens);
    if (event.isEndMark && behaviour.dripMs === undefined) {
      delivery.beforeLast();
      response.end(gathered);
      return 'whole';
    }
    if (oneByOne || gathered.length >= GATHERED_BYTES) await flush();
    if (gone.aborted) return 'gone';
  }
  await flush();
  if (gone.aborted) return 'gone';
  delivery.beforeLast();
  response.end();
  return 'whole';
};

const breakOff = async (delivery: StreamDelivery, flush: () => Promise<void>): Promise<Delivered> => {
  const { response, behaviour } = delivery;
  await flush();
  if (behaviour.cutAfter !== undefined) {
    destroyAfterFlush(response);
    return 'cut';
  }
  if (behaviour.hangAfter !== undefined) return 'hung';
  delivery.beforeLast();
  response.end(delivery.failureEvent());
  return 'cut';
};

import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#domain/ports';
import type { DispatchSource, ReceivedDispatch, ReceivedMessage } from '#nats/dispatch-queue';
import type { Slots } from './slots.ts';

const PULL_MAX = 128;
/** Also how long a stop waits for a pull that brings nothing. */
const PULL_EXPIRES_MS = 2_000;
const BACK_OFF_MS = 500;
/** Well below the acknowledgement's wait, for what a message brought and has no slot yet. */
const STILL_WAITS_INTERVAL_MS = 5_000;

export type PullLoopOptions = {
  source: DispatchSource;
  slots: Slots;
  /** Resolves when the dispatch needs its slot no more. Never rejects. */
  handle: (received: ReceivedDispatch) => Promise<void>;
  signal: AbortSignal;
  logger: Logger;
  onReachable: (reachable: boolean) => void;
};

/** Begins the dispatches of a message: in the slots that are reserved for it, then as others come free. */
const begin = async (
  { dispatches, stillWaits }: ReceivedMessage,
  reserved: number,
  { slots, handle, signal }: Pick<PullLoopOptions, 'slots' | 'handle' | 'signal'>,
): Promise<void> => {
  const run = (received: ReceivedDispatch): void => void handle(received).finally(() => slots.release(1));
  dispatches.slice(0, reserved).forEach(run);
  if (dispatches.length <= reserved) return;
  const timer = setInterval(stillWaits, STILL_WAITS_INTERVAL_MS);
  for (const other of dispatches.slice(reserved)) {
    await slots.take();
    if (!signal.aborted) {
      run(other);
      continue;
    }
    // The claims let none of those be worked on twice that this worker has begun.
    slots.giveBack(1);
    other.retryLater();
    break;
  }
  clearInterval(timer);
};

/**
 * Takes work only into slots it has reserved: what a worker has been handed it begins at once, so no ack
 * wait runs in a buffer. Messages of several dispatches come only where work is taken fast; it asks for as
 * many fewer of them, and what is more than it has slots for waits for the next free ones.
 */
export const pull = async ({ source, slots, handle, signal, logger, onReachable }: PullLoopOptions) => {
  /** Dispatches in a message, as the last pull brought them. */
  let together = 1;
  while (!signal.aborted) {
    let unused = await slots.reserve(PULL_MAX);
    try {
      if (signal.aborted) return;
      const maxMessages = Math.max(1, Math.floor(unused / together));
      let messages = 0;
      let brought = 0;
      for await (const message of source.fetch({ maxMessages, expiresMs: PULL_EXPIRES_MS })) {
        messages += 1;
        brought += message.dispatches.length;
        const reserved = Math.min(unused, message.dispatches.length);
        unused -= reserved;
        await begin(message, reserved, { slots, handle, signal });
      }
      if (messages > 0) together = brought / messages;
      onReachable(true);
    } catch (error) {
      onReachable(false);
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ reason }, 'the queue cannot be read; trying again');
      await sleep(BACK_OFF_MS);
    } finally {
      slots.giveBack(unused);
    }
  }
};

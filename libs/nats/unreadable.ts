import type { JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { ZodError } from 'zod';
import { DELIVERIES_TRIED_MAX } from '#contracts/subjects';
import { bury } from './dead-letter-box.ts';
import { EnvelopeError } from './envelope.ts';

/** Before a message of another version is offered again, to a process that may read it. */
const OTHER_VERSION_WAIT_MS = 1_000;
const FIELDS_NAMED_MAX = 10;

const isOtherVersion = (error: unknown): boolean =>
  error instanceof ZodError && error.issues.some(({ path }) => path.at(-1) === 'version');

/** For people. Names fields, never their values. `what` is a noun with its article. */
export const describeUnreadable = (what: string, error: unknown): string => {
  if (isOtherVersion(error)) {
    return `It is ${what} of another version of flo2 than the process that read it; replay it once all run the same.`;
  }
  if (!(error instanceof ZodError)) {
    return `It is not ${what}: ${error instanceof EnvelopeError ? error.message : 'it cannot be decoded'}.`;
  }
  const fields = [...new Set(error.issues.map(({ path }) => path.join('.') || '(root)'))];
  return `It is not ${what} of this version of flo2; wrong are: ${fields.slice(0, FIELDS_NAMED_MAX).join(', ')}.`;
};

/**
 * Takes a message that cannot be read off its queue, into the dead letters. One of another version is first offered
 * to the other processes, of which some are newer while flo2 is upgraded. Resolves to why it was buried, null where
 * it comes again. Never rejects.
 */
export const setAside = async (
  connection: NatsConnection,
  message: JsMsg,
  what: string,
  error: unknown,
): Promise<string | null> => {
  if (isOtherVersion(error) && message.info.deliveryCount < DELIVERIES_TRIED_MAX) {
    message.nak(OTHER_VERSION_WAIT_MS);
    return null;
  }
  const explanation = describeUnreadable(what, error);
  // Where it cannot be buried now, it comes again.
  return bury(connection, message, { reason: 'unreadable', explanation }).then(
    () => explanation,
    () => null,
  );
};

import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { replyInboxOf } from './reply-inbox.ts';

const publishAnswer = z.union([
  z.object({ error: z.object({ err_code: z.number().optional(), description: z.string() }) }),
  z.object({ stream: z.string(), seq: z.number() }),
]);

/** The stream does not take the message; `code` is the server's own. */
export class StreamRefusal extends Error {
  override readonly name = 'StreamRefusal';
  readonly code: number;

  constructor(code: number, description: string) {
    super(description);
    this.code = code;
  }
}

/** Resolves when a stream has the message. Rejects with `StreamRefusal`, or `NoReplyError` where none answers. */
export type StreamPublish = (
  subject: string,
  message: string | Uint8Array,
  /** By `messageId` the stream knows a repeated publish. */
  options: { messageId: string; timeoutMs: number },
) => Promise<void>;

export const openStreamPublish = (connection: NatsConnection): StreamPublish => {
  const inbox = replyInboxOf(connection);
  return async (subject, message, options) => {
    const answer = publishAnswer.parse((await inbox.request(subject, message, options)).json());
    if ('error' in answer) throw new StreamRefusal(answer.error.err_code ?? 0, answer.error.description);
  };
};

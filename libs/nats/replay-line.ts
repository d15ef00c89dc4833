import { createInbox, errors, type NatsConnection } from '@nats-io/transport-node';
import {
  followReply,
  followRequest,
  replayFrameHeader,
  type FollowReply,
  type ReplayFrameHeader,
} from '#contracts/replay-line';
import { ingressSubjects } from '#contracts/subjects';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';
import { outboxOf } from './outbox.ts';

const FOLLOW_TIMEOUT_MS = 2_000;
const FRAME_BYTES_MAX = 1024 * 1024;

export type ReplayFrame = { header: ReplayFrameHeader; bytes: Uint8Array };

/** Sends one answer to who follows it, in sequence. */
export type ReplaySender = {
  head: (status: number, headers: Readonly<Record<string, string>>) => void;
  data: (bytes: Uint8Array) => void;
  comment: (text: string) => void;
  end: () => void;
  breakOff: () => void;
};

const createSender = (connection: NatsConnection, subject: string): ReplaySender => {
  const outbox = outboxOf(connection);
  let sequence = 0;
  const send = (header: (sequence: number) => ReplayFrameHeader, bytes?: Uint8Array): void => {
    const message = encodeEnvelope(header(sequence), bytes);
    sequence += 1;
    outbox.send(() => connection.publish(subject, message));
  };
  return {
    head: (status, headers) => send((next) => ({ kind: 'head', sequence: next, status, headers })),
    data: (bytes) => {
      for (let start = 0; start < bytes.length; start += FRAME_BYTES_MAX) {
        send((next) => ({ kind: 'data', sequence: next }), bytes.subarray(start, start + FRAME_BYTES_MAX));
      }
    },
    comment: (text) => send((next) => ({ kind: 'comment', sequence: next, text })),
    end: () => send((next) => ({ kind: 'end', sequence: next })),
    breakOff: () => send((next) => ({ kind: 'broken', sequence: next })),
  };
};

/** Answers those who ask to follow; `onFollow` gives the answer away from its beginning, after the reply. */
export const serveFollowers = (
  connection: NatsConnection,
  ingressId: string,
  onFollow: (scope: string, open: () => ReplaySender) => FollowReply,
): { close: () => Promise<void> } => {
  const subscription = connection.subscribe(ingressSubjects(ingressId).follow, {
    callback: (error, message) => {
      if (error !== null) return;
      const parsed = followRequest.safeParse(message.json());
      if (!parsed.success) return;
      const { scope, replyTo } = parsed.data;
      const reply = onFollow(scope, () => createSender(connection, replyTo));
      message.respond(JSON.stringify(reply));
    },
  });
  return { close: () => subscription.drain() };
};

/** What came of asking: `gone`, there is no such ingress any more; `silent`, it did not answer in time. */
export type Followed = FollowReply['state'] | 'gone' | 'silent';

/**
 * Asks another ingress for the answer to a request that it runs. Frames come to `onFrame` in sequence; a lost
 * one comes as `broken`, which like `end` is the last.
 */
export const follow = async (
  connection: NatsConnection,
  asked: { ingressId: string; scope: string },
  onFrame: (frame: ReplayFrame) => void,
): Promise<{ state: Followed; stop: () => void }> => {
  const replyTo = createInbox();
  let nextSequence = 0;
  const subscription = connection.subscribe(replyTo, {
    callback: (error, message) => {
      if (error !== null) return;
      const { header, bytes } = decodeEnvelope(message.data);
      const parsed = replayFrameHeader.safeParse(header);
      const isNext = parsed.success && parsed.data.sequence === nextSequence;
      const frame: ReplayFrame = isNext
        ? { header: parsed.data, bytes }
        : { header: { kind: 'broken', sequence: nextSequence }, bytes };
      nextSequence += 1;
      if (frame.header.kind === 'end' || frame.header.kind === 'broken') subscription.unsubscribe();
      onFrame(frame);
    },
  });
  const stop = (): void => subscription.unsubscribe();
  try {
    const message = await connection.request(
      ingressSubjects(asked.ingressId).follow,
      JSON.stringify({ scope: asked.scope, replyTo }),
      { timeout: FOLLOW_TIMEOUT_MS },
    );
    const { state } = followReply.parse(message.json());
    if (state !== 'following') stop();
    return { state, stop };
  } catch (error) {
    stop();
    const isGone =
      error instanceof errors.NoRespondersError ||
      (error instanceof errors.RequestError && error.isNoResponders());
    return { state: isGone ? 'gone' : 'silent', stop };
  }
};

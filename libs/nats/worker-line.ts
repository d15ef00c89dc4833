import type { NatsConnection } from '@nats-io/transport-node';
import {
  attemptControl,
  grantReply,
  heartbeatReply,
  type AttemptControl,
  type FrameHeader,
  type GrantReply,
  type GrantRequest,
  type Heartbeat,
  type HeartbeatReply,
} from '#contracts/attempt-line';
import { ingressSubjects, workerControlSubject } from '#contracts/subjects';
import { encodeEnvelope } from './envelope.ts';
import { outboxOf } from './outbox.ts';
import { NoReplyError, replyInboxOf } from './reply-inbox.ts';

const GRANT_TIMEOUT_MS = 1_000;
const GRANT_TRIES = 3;
const HEARTBEAT_TIMEOUT_MS = 1_000;

/** The ingress is gone, or did not answer in time. */
export type NoReply = 'gone' | 'silent';

export type WorkerLine = {
  /** Asks again when no answer comes: an ingress grants the same attempt id the same way twice. */
  requestGrant: (ingressId: string, request: GrantRequest) => Promise<GrantReply | NoReply>;
  sendFrame: (ingressId: string, header: FrameHeader, bytes?: Uint8Array) => void;
  beat: (ingressId: string, beat: Heartbeat) => Promise<HeartbeatReply | NoReply>;
  close: () => Promise<void>;
};

const noReply = (error: unknown): NoReply =>
  error instanceof NoReplyError && error.kind === 'gone' ? 'gone' : 'silent';

/** The worker's end of the attempt line (`libs/contracts/attempt-line.ts`). */
export const openWorkerLine = (
  connection: NatsConnection,
  workerId: string,
  onControl: (control: AttemptControl) => void,
  onUnreadable: (subject: string) => void,
): WorkerLine => {
  const outbox = outboxOf(connection);
  const inbox = replyInboxOf(connection);
  const controls = connection.subscribe(workerControlSubject(workerId), {
    callback: (error, message) => {
      if (error !== null) return;
      try {
        onControl(attemptControl.parse(message.json()));
      } catch {
        onUnreadable(message.subject);
      }
    },
  });
  return {
    requestGrant: async (ingressId, request) => {
      const payload = JSON.stringify(request);
      for (let tries = 1; ; tries += 1) {
        try {
          const message = await inbox.request(ingressSubjects(ingressId).grant, payload, {
            timeoutMs: GRANT_TIMEOUT_MS,
          });
          return grantReply.parse(message.json());
        } catch (error) {
          const reason = noReply(error);
          if (reason === 'gone' || tries === GRANT_TRIES) return reason;
        }
      }
    },
    sendFrame: (ingressId, header, bytes) => {
      const message = encodeEnvelope(header, bytes);
      outbox.send(() => connection.publish(ingressSubjects(ingressId).frame, message));
    },
    beat: async (ingressId, beat) => {
      try {
        const message = await inbox.request(ingressSubjects(ingressId).heartbeat, JSON.stringify(beat), {
          timeoutMs: HEARTBEAT_TIMEOUT_MS,
        });
        return heartbeatReply.parse(message.json());
      } catch (error) {
        return noReply(error);
      }
    },
    close: () => controls.drain(),
  };
};

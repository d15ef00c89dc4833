import type { NatsConnection } from '@nats-io/transport-node';
import {
  attemptControl,
  GRANTS_TOGETHER_MAX,
  grantReplies,
  heartbeatReply,
  FRAMES_TOGETHER_MAX,
  type AttemptControl,
  type Frame,
  type FrameHeader,
  type GrantReply,
  type GrantRequest,
  type Heartbeat,
  type HeartbeatReply,
} from '#contracts/attempt-line';
import { ingressSubjects, workerControlSubject } from '#contracts/subjects';
import { packFrames } from './frame-pack.ts';
import { gather } from './gather.ts';
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

type Asking = { request: GrantRequest; tell: (reply: GrantReply | NoReply) => void };

const NOTHING = new Uint8Array();

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
  const askTogether = async (
    ingressId: string,
    requests: GrantRequest[],
  ): Promise<GrantReply[] | NoReply> => {
    const payload = JSON.stringify(requests);
    for (let tries = 1; ; tries += 1) {
      try {
        const message = await inbox.request(ingressSubjects(ingressId).grant, payload, {
          timeoutMs: GRANT_TIMEOUT_MS,
        });
        return grantReplies.parse(message.json());
      } catch (error) {
        const reason = noReply(error);
        if (reason === 'gone' || tries === GRANT_TRIES) return reason;
      }
    }
  };
  const ask = gather<Asking>(outbox, GRANTS_TOGETHER_MAX, (ingressId, together) => {
    const requests = together.map(({ request }) => request);
    void askTogether(ingressId, requests).then((replies) => {
      for (const [index, { tell }] of together.entries()) {
        tell(typeof replies === 'string' ? replies : (replies[index] ?? 'silent'));
      }
    });
  });
  // At the turn's end, so that an attempt's event has left before its last frame does.
  const sendFrame = gather<Frame>(outbox, FRAMES_TOGETHER_MAX, (ingressId, frames) => {
    const { frame: subject } = ingressSubjects(ingressId);
    for (const message of packFrames(frames)) outbox.send(() => connection.publish(subject, message));
  });
  return {
    requestGrant: (ingressId, request) => new Promise((tell) => ask(ingressId, { request, tell })),
    sendFrame: (ingressId, header, bytes = NOTHING) => sendFrame(ingressId, { header, bytes }),
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

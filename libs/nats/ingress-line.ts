import type { Msg, NatsConnection } from '@nats-io/transport-node';
import {
  grantRequests,
  heartbeat,
  type AttemptControl,
  type Frame,
  type GrantReply,
  type GrantRequest,
  type Heartbeat,
  type HeartbeatReply,
} from '#contracts/attempt-line';
import { ingressSubjects, workerControlSubject } from '#contracts/subjects';
import { unpackFrames } from './frame-pack.ts';
import { outboxOf } from './outbox.ts';

export type IngressLineHandlers = {
  onGrant: (request: GrantRequest) => GrantReply;
  onFrame: (frame: Frame) => void;
  onHeartbeat: (heartbeat: Heartbeat) => HeartbeatReply;
  /** A message came that cannot be read; it is dropped. */
  onUnreadable: (subject: string) => void;
};

export type IngressLine = {
  control: (workerId: string, control: AttemptControl) => void;
  close: () => Promise<void>;
};

/** The ingress's end of the attempt line (`libs/contracts/attempt-line.ts`). */
export const openIngressLine = (
  connection: NatsConnection,
  ingressId: string,
  handlers: IngressLineHandlers,
): IngressLine => {
  const outbox = outboxOf(connection);
  const subjects = ingressSubjects(ingressId);
  const on = (subject: string, handle: (message: Msg) => void) =>
    connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return;
        try {
          handle(message);
        } catch {
          handlers.onUnreadable(subject);
        }
      },
    });
  const subscriptions = [
    on(subjects.grant, (message) => {
      const replies = JSON.stringify(grantRequests.parse(message.json()).map(handlers.onGrant));
      outbox.send(() => message.respond(replies));
    }),
    on(subjects.frame, (message) => {
      for (const frame of unpackFrames(message.data)) {
        try {
          handlers.onFrame(frame);
        } catch {
          // The others are of other requests.
          handlers.onUnreadable(subjects.frame);
        }
      }
    }),
    on(subjects.heartbeat, (message) => {
      message.respond(JSON.stringify(handlers.onHeartbeat(heartbeat.parse(message.json()))));
    }),
  ];
  return {
    control: (workerId, control) => {
      const message = JSON.stringify(control);
      outbox.send(() => connection.publish(workerControlSubject(workerId), message));
    },
    close: async () => {
      await Promise.all(subscriptions.map((subscription) => subscription.drain()));
    },
  };
};

import { errors, type Msg, type NatsConnection } from '@nats-io/transport-node';
import {
  limiterAsk,
  limiterNotice,
  limiterReply,
  limiterReport,
  workerPresence,
  type LimiterAsk,
  type LimiterNotice,
  type LimiterReply,
  type LimiterReport,
} from '#contracts/limiter-line';
import {
  limiterNoticeSubject,
  limiterOwnerSubjects,
  WORKER_PRESENCE_SUBJECT,
  WORKER_ROLL_CALL_SUBJECT,
} from '#contracts/subjects';
import { LiveWorkers } from '#domain/live-workers';
import type { Clock } from '#domain/ports';
import { watchConnection } from './connection.ts';
import { outboxOf } from './outbox.ts';

const PRESENCE_INTERVAL_MS = 500;
const ASK_TIMEOUT_MS = 1_000;

const hear = (
  connection: NatsConnection,
  subject: string,
  handle: (message: Msg) => void,
  onUnreadable: (subject: string) => void,
) =>
  connection.subscribe(subject, {
    callback: (error, message) => {
      if (error !== null) return;
      try {
        handle(message);
      } catch {
        onUnreadable(subject);
      }
    },
  });

/** Which workers live, as far as this process hears; `close` ends the listening. */
export const watchWorkers = (
  connection: NatsConnection,
  clock: Clock,
  onUnreadable: (subject: string) => void,
): { workers: LiveWorkers; close: () => void } => {
  const workers = new LiveWorkers();
  const watch = watchConnection(connection);
  const subscription = hear(
    connection,
    WORKER_PRESENCE_SUBJECT,
    (message) => workers.seen(workerPresence.parse(message.json()), clock.nowMs()),
    onUnreadable,
  );
  const callTheRoll = (): void => connection.publish(WORKER_ROLL_CALL_SUBJECT);
  callTheRoll();
  watch.onReconnect(() => {
    workers.renew(clock.nowMs());
    callTheRoll();
  });
  const timer = setInterval(() => {
    // Who cannot hear anybody does not know who is gone.
    if (watch.connected()) workers.forgetSilent(clock.nowMs());
    else workers.renew(clock.nowMs());
  }, PRESENCE_INTERVAL_MS);
  return {
    workers,
    close: () => {
      clearInterval(timer);
      subscription.unsubscribe();
    },
  };
};

export type LimiterOwnerLine = {
  notify: (clientId: string, notice: LimiterNotice) => void;
  /** Tells everybody that this worker leaves, and hears no more. */
  leave: () => Promise<void>;
};

/** A worker's end of the limiter line (`libs/contracts/limiter-line.ts`). */
export const openLimiterOwnerLine = (
  connection: NatsConnection,
  workerId: string,
  handlers: {
    onAsk: (ask: LimiterAsk) => LimiterReply;
    onReport: (report: LimiterReport) => void;
    onUnreadable: (subject: string) => void;
  },
): LimiterOwnerLine => {
  const outbox = outboxOf(connection);
  const subjects = limiterOwnerSubjects(workerId);
  const tell = (isLeaving: boolean): void =>
    connection.publish(WORKER_PRESENCE_SUBJECT, JSON.stringify({ workerId, isLeaving }));
  const { onUnreadable } = handlers;
  const subscriptions = [
    hear(
      connection,
      subjects.ask,
      (message) => {
        const reply = JSON.stringify(handlers.onAsk(limiterAsk.parse(message.json())));
        outbox.send(() => message.respond(reply));
      },
      onUnreadable,
    ),
    hear(
      connection,
      subjects.report,
      (message) => handlers.onReport(limiterReport.parse(message.json())),
      onUnreadable,
    ),
    hear(connection, WORKER_ROLL_CALL_SUBJECT, () => tell(false), onUnreadable),
  ];
  tell(false);
  const timer = setInterval(() => tell(false), PRESENCE_INTERVAL_MS);
  return {
    notify: (clientId, notice) => {
      const message = JSON.stringify(notice);
      outbox.send(() => connection.publish(limiterNoticeSubject(clientId), message));
    },
    leave: async () => {
      clearInterval(timer);
      tell(true);
      await Promise.all(subscriptions.map((subscription) => subscription.drain()));
    },
  };
};

export type LimiterClientLine = {
  /** Null where the owner is gone or silent. */
  ask: (workerId: string, ask: LimiterAsk) => Promise<LimiterReply | null>;
  report: (workerId: string, report: LimiterReport) => void;
  close: () => void;
};

/** The asking end of the limiter line. */
export const openLimiterClientLine = (
  connection: NatsConnection,
  clientId: string,
  handlers: { onNotice: (notice: LimiterNotice) => void; onUnreadable: (subject: string) => void },
): LimiterClientLine => {
  const outbox = outboxOf(connection);
  const subscription = hear(
    connection,
    limiterNoticeSubject(clientId),
    (message) => handlers.onNotice(limiterNotice.parse(message.json())),
    handlers.onUnreadable,
  );
  return {
    ask: async (workerId, ask) => {
      const payload = JSON.stringify(ask);
      try {
        const message = await outbox.request(() =>
          connection.request(limiterOwnerSubjects(workerId).ask, payload, { timeout: ASK_TIMEOUT_MS }),
        );
        return limiterReply.parse(message.json());
      } catch (error) {
        if (error instanceof errors.InvalidArgumentError) throw error;
        return null;
      }
    },
    report: (workerId, report) => {
      const message = JSON.stringify(report);
      outbox.send(() => connection.publish(limiterOwnerSubjects(workerId).report, message));
    },
    close: () => subscription.unsubscribe(),
  };
};

import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
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
import { gather } from './gather.ts';
import { outboxOf } from './outbox.ts';
import { NoReplyError, replyInboxOf } from './reply-inbox.ts';

const PRESENCE_INTERVAL_MS = 500;
const ASK_TIMEOUT_MS = 1_000;
/** Long enough for the server to say that nobody listens. */
const NOTICE_TIMEOUT_MS = 1_000;
/** What one process asks one owner, or an owner tells one process, in one turn of the event loop. */
const TOGETHER_MAX = 256;

const asks = z.array(limiterAsk).max(TOGETHER_MAX);
const replies = z.array(limiterReply).max(TOGETHER_MAX);
const notices = z.array(limiterNotice).max(TOGETHER_MAX);

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
    /** Nobody listens for this client's notices any more; what they granted is nobody's. */
    onGone: (clientId: string, notices: readonly LimiterNotice[]) => void;
    onUnreadable: (subject: string) => void;
  },
): LimiterOwnerLine => {
  const outbox = outboxOf(connection);
  const inbox = replyInboxOf(connection);
  const subjects = limiterOwnerSubjects(workerId);
  const tell = (isLeaving: boolean): void =>
    connection.publish(WORKER_PRESENCE_SUBJECT, JSON.stringify({ workerId, isLeaving }));
  const { onUnreadable } = handlers;
  const subscriptions = [
    hear(
      connection,
      subjects.ask,
      (message) => {
        const reply = JSON.stringify(asks.parse(message.json()).map(handlers.onAsk));
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
  const notify = gather<LimiterNotice>(outbox, TOGETHER_MAX, (clientId, together) => {
    // Nobody answers it; but where nobody listens, the server itself says so at once.
    inbox
      .request(limiterNoticeSubject(clientId), JSON.stringify(together), { timeoutMs: NOTICE_TIMEOUT_MS })
      .catch((error: unknown) => {
        if (error instanceof NoReplyError && error.kind === 'gone') handlers.onGone(clientId, together);
      });
  });
  return {
    notify,
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
  handlers: {
    onNotice: (notice: LimiterNotice) => void;
    /** Notices may have been missed. */
    onReconnect: () => void;
    onUnreadable: (subject: string) => void;
  },
): LimiterClientLine => {
  watchConnection(connection).onReconnect(handlers.onReconnect);
  const outbox = outboxOf(connection);
  const subscription = hear(
    connection,
    limiterNoticeSubject(clientId),
    (message) => notices.parse(message.json()).forEach(handlers.onNotice),
    handlers.onUnreadable,
  );
  const inbox = replyInboxOf(connection);
  type Asking = { ask: LimiterAsk; tell: (reply: LimiterReply | null) => void };
  const send = async (workerId: string, together: Asking[]): Promise<void> => {
    const payload = JSON.stringify(together.map(({ ask }) => ask));
    const subject = limiterOwnerSubjects(workerId).ask;
    const told = await inbox
      .request(subject, payload, { timeoutMs: ASK_TIMEOUT_MS })
      .then((message) => replies.parse(message.json()))
      .catch(() => []);
    for (const [index, { tell }] of together.entries()) tell(told[index] ?? null);
  };
  const ask = gather<Asking>(outbox, TOGETHER_MAX, (workerId, together) => void send(workerId, together));
  return {
    ask: (workerId, asked) => new Promise((tell) => ask(workerId, { ask: asked, tell })),
    report: (workerId, report) => {
      const message = JSON.stringify(report);
      outbox.send(() => connection.publish(limiterOwnerSubjects(workerId).report, message));
    },
    close: () => subscription.unsubscribe(),
  };
};

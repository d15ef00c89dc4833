/**
 * The catalogue of what runs over NATS: streams, subjects, consumers and their settings that matter.
 *
 * | asset                                                    | carries                                   |
 * | -------------------------------------------------------- | ----------------------------------------- |
 * | `flo2.req.<lane>.<provider>.<class>.<model>.<tenant>`    | dispatches (`dispatch.ts`), a stream for each lane: `REQ_I`, `REQ_A`, `REQ_B` |
 * | `flo2.res.<tenant>`                                      | what came of work items (`work-result.ts`), stream `RES` |
 * | `flo2.work.accepted`, `flo2.work.<work item>.ended`      | that work waits, or has ended, for whoever looks out for it |
 * | `flo2.evt.attempt.<tenant>`                              | attempt events, stream `EVT`              |
 * | `flo2.ing.<ingress>.grant`, `.frame`, `.heartbeat`       | the attempt line towards an ingress       |
 * | `flo2.ing.<ingress>.follow`                              | asks for an idempotent answer (`replay-line.ts`) |
 * | `flo2.wrk.<worker>.control`                              | the attempt line towards a worker         |
 * | `flo2.lim.<worker>.ask`, `.report`                       | the limiter line towards a bucket's owner (`limiter-line.ts`) |
 * | `flo2.lic.<client>.notice`                               | the limiter line towards who asked        |
 * | `flo2.lim.presence`, `flo2.lim.who`                      | which workers live                        |
 * | key-value bucket `FLEET`                                 | health of keys and buckets                |
 * | `flo2.ctl.changed`                                       | configuration changes                     |
 * | the object store `flo2_payload`                           | payloads over what one message holds       |
 * | `flo2.dlq.<stream>`                                      | dead letters (`dead-letter.ts`), stream `DLQ` |
 * | JetStream's own advisories of used up deliveries         | stream `ADV`                              |
 */
import type { TenantId, WorkItemId } from './ids.ts';
import type { Lane, ProviderId } from './vocabulary.ts';

const SECOND_MS = 1_000;
const DAY_MS = 86_400 * SECOND_MS;

/** Messages over it are refused by the server; our servers are started with it. */
export const MESSAGE_BYTES_MAX = 8 * 1024 * 1024;

/** Longest deadline a request may ask for, and so the longest a message may wait. */
export const DEADLINE_MS_MAX = 3_600 * SECOND_MS;

export const INTERACTIVE_STREAM = {
  name: 'REQ_I',
  subjects: ['flo2.req.i.>'],
  /** Waiting requests of one tenant for one model; the next one is refused with `queue_full`. */
  messagesPerSubjectMax: 1_000,
  maxAgeMs: DEADLINE_MS_MAX,
  /** Window in which a publish that is repeated with the same message id is known. */
  duplicateWindowMs: 120 * SECOND_MS,
  /** From delivery to the acknowledgement, which follows the grant at once. */
  ackWaitMs: 5 * SECOND_MS,
  /** A message that kills workers is not delivered for ever; the ingress answers at the deadline. */
  deliveriesMax: 20,
  ackPendingMax: 40_000,
} as const;

/**
 * The lanes behind which no client's connection waits. They hold only what may run now: the feeder
 * (`services/jobs`) gives them little more than the workers take at once, and repeats what was lost, so
 * nothing here needs a limit of its own or outlives the day.
 */
const queuedStream = <Name extends string, Token extends string>(name: Name, token: Token) =>
  ({
    name,
    subjects: [`flo2.req.${token}.>`],
    maxAgeMs: DAY_MS,
    /** Longer than a new feeder takes to know what the one before it had published. */
    duplicateWindowMs: 120 * SECOND_MS,
    /** From delivery to the acknowledgement, which follows the claim at once. */
    ackWaitMs: 30 * SECOND_MS,
    /** The feeder notices what is never claimed. */
    deliveriesMax: 20,
    ackPendingMax: 40_000,
  }) as const;

export const QUEUED_STREAMS = {
  async: queuedStream('REQ_A', 'a'),
  batch: queuedStream('REQ_B', 'b'),
} as const;

export const RESULT_STREAM = {
  name: 'RES',
  subjects: ['flo2.res.>'],
  duplicateWindowMs: 120 * SECOND_MS,
  /** A batch is stored in about a second; a killed reader's batch comes again after this. */
  ackWaitMs: 15 * SECOND_MS,
  ackPendingMax: 40_000,
} as const;

export const RESULT_CONSUMER = 'jobs';

export const EVENT_STREAM = {
  name: 'EVT',
  subjects: ['flo2.evt.>'],
  maxAgeMs: 30 * DAY_MS,
  duplicateWindowMs: 120 * SECOND_MS,
  /** A batch is stored in about a second; a killed reader's batch comes again after this. */
  ackWaitMs: 15 * SECOND_MS,
  ackPendingMax: 40_000,
} as const;

export const METERING_CONSUMER = 'metering';

/** What was taken out of a queue for good; kept so that people can read it, replay it or purge it. */
export const DEAD_LETTER_STREAM = {
  name: 'DLQ',
  subjects: ['flo2.dlq.>'],
  maxAgeMs: 30 * DAY_MS,
  /** The oldest go first: a flood of poison must not fill the disk. */
  bytesMax: 1024 * 1024 * 1024,
  duplicateWindowMs: 120 * SECOND_MS,
} as const;

/** A backstop: readers bury what they cannot carry out by themselves, long before JetStream gives up. */
export const ADVISORY_STREAM = {
  name: 'ADV',
  subjects: ['$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>'],
  maxAgeMs: 7 * DAY_MS,
  messagesMax: 100_000,
  ackWaitMs: 30 * SECOND_MS,
} as const;

/** The bytes of a message that go with it; larger ones are a claim check (`payload-reference.ts`). */
export const INLINE_BYTES_MAX = 7 * 1024 * 1024;

/** Claim checks are removed after use; these are for what a process that died has left. */
export const PAYLOAD_BUCKET = {
  name: 'flo2_payload',
  maxAgeMs: 2 * DEADLINE_MS_MAX,
  bytesMax: 4 * 1024 * 1024 * 1024,
} as const;

export const BURIAL_CONSUMER = 'burial';

/** Deliveries after which a reader buries a message that no worker has come to an end with. */
export const DELIVERIES_TRIED_MAX = 5;

export const deadLetterSubject = (stream: string): string => `flo2.dlq.${encodeSubjectToken(stream)}`;

export const CONFIGURATION_CHANGED_SUBJECT = 'flo2.ctl.changed';

const LANE_TOKENS: Record<Lane, string> = { interactive: 'i', async: 'a', batch: 'b' };

/**
 * Any text as one subject token, injectively: letters, digits, `-` and `_` stand for themselves, every
 * other byte of the UTF-8 becomes `=` and two hexadecimal digits. `gpt-4.1` → `gpt-4=2e1`.
 */
export const encodeSubjectToken = (text: string): string => {
  if (/^[A-Za-z0-9_-]+$/.test(text)) return text;
  let token = '';
  for (const byte of new TextEncoder().encode(text)) {
    const character = String.fromCharCode(byte);
    token += /[A-Za-z0-9_-]/.test(character) ? character : `=${byte.toString(16).padStart(2, '0')}`;
  }
  // The empty text needs a token too, and no other text encodes to a bare `=`.
  return token === '' ? '=' : token;
};

/** Class `s` is work for the shared workers; `d`, dedicated ones, is reserved: filters may never overlap. */
export const dispatchSubject = (target: {
  lane: Lane;
  provider: ProviderId;
  model: string;
  tenantId: TenantId;
}): string =>
  `flo2.req.${LANE_TOKENS[target.lane]}.${target.provider}.s.${encodeSubjectToken(target.model)}.${target.tenantId}`;

/** The durable consumer of a provider's workers in a lane, and the subjects it reads. */
export const workerConsumer = (lane: Lane, provider: ProviderId): { name: string; filter: string } => ({
  name: `worker-${LANE_TOKENS[lane]}-${provider}`,
  filter: `flo2.req.${LANE_TOKENS[lane]}.${provider}.>`,
});

export const dispatchStreamName = (lane: Lane): string =>
  lane === 'interactive' ? INTERACTIVE_STREAM.name : QUEUED_STREAMS[lane].name;

export const workResultSubject = (tenantId: TenantId): string => `flo2.res.${tenantId}`;

/** Said when work was accepted, so that the feeder need not look for it. */
export const WORK_ACCEPTED_SUBJECT = 'flo2.work.accepted';

export const workEndedSubject = (id: WorkItemId): string => `flo2.work.${id}.ended`;

export const attemptEventSubject = (tenantId: TenantId): string => `flo2.evt.attempt.${tenantId}`;

export const ingressSubjects = (
  ingressId: string,
): { grant: string; frame: string; heartbeat: string; follow: string } => ({
  grant: `flo2.ing.${ingressId}.grant`,
  frame: `flo2.ing.${ingressId}.frame`,
  heartbeat: `flo2.ing.${ingressId}.heartbeat`,
  follow: `flo2.ing.${ingressId}.follow`,
});

export const limiterOwnerSubjects = (workerId: string): { ask: string; report: string } => ({
  ask: `flo2.lim.${workerId}.ask`,
  report: `flo2.lim.${workerId}.report`,
});

export const limiterNoticeSubject = (clientId: string): string => `flo2.lic.${clientId}.notice`;

export const WORKER_PRESENCE_SUBJECT = 'flo2.lim.presence';
/** Every worker answers it with its presence. */
export const WORKER_ROLL_CALL_SUBJECT = 'flo2.lim.who';

export const FLEET_STORE = {
  name: 'FLEET',
  /** What nobody has written for a day is as good as not known. */
  maxAgeMs: DAY_MS,
} as const;

export const workerControlSubject = (workerId: string): string => `flo2.wrk.${workerId}.control`;

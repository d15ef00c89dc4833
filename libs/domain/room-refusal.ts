import { FloError, type ErrorCode } from './errors.ts';
import type { KeyTrouble } from './key-health.ts';
import type { RoomWanted } from './ports.ts';
import type { Obstacle } from './rate-limit-bucket.ts';
import type { RoomCandidate } from './room-candidates.ts';

const RETRY_AFTER_MIN_MS = 1_000;
const NAME_LENGTH_MAX = 100;

export type Refusal = { candidate: RoomCandidate; obstacle: Obstacle };

/** For a limit that is short, or places that are taken. */
const MORE_ROOM =
  'Give the request more time (x-flo2-timeout-ms), register another key, or raise the limits of this one.';

/**
 * What to tell who cannot have room in time: what stands in the way where it would be there first, for how long, and
 * what could be changed. Null where nothing is known to stand in the way.
 */
export const lateError = (
  refusals: readonly Refusal[],
  { plan, deadlineAtMs }: Pick<RoomWanted, 'plan' | 'deadlineAtMs'>,
  nowMs: number,
): FloError | null => {
  const [first, ...others] = refusals;
  if (first === undefined) return null;
  const { candidate, obstacle } = others.reduce(
    (soonest, other) => (other.obstacle.waitMs < soonest.obstacle.waitMs ? other : soonest),
    first,
  );
  const step = plan.steps[candidate.step];
  const target =
    step === undefined ? 'the model' : `${step.provider}/${step.model.slice(0, NAME_LENGTH_MAX)}`;
  const retryAfterMs = Math.max(RETRY_AFTER_MIN_MS, Math.ceil(obstacle.waitMs));
  const after = `${Math.ceil(retryAfterMs / 1_000)} s`;
  // A wait that is shorter than what is left may still leave too little for a call, as calls go.
  const tooLate =
    nowMs + obstacle.waitMs >= deadlineAtMs
      ? 'after this request’s deadline'
      : 'which leaves this request too little time for a call';
  const refuse = (code: ErrorCode, message: string): FloError =>
    new FloError(code, message, { retryAfterMs });
  switch (obstacle.of) {
    case 'trouble':
      return refuse('overloaded', `${target} failed again and again; it is asked again in ${after}.`);
    case 'repeats':
      return refuse('overloaded', `${target} failed, and as many calls were repeated as may be.`);
    case 'tokens':
    case 'requests':
    case 'concurrency':
  }
  if (obstacle.why === 'crowd') {
    return refuse('queue_full', `As many requests wait for room at ${target} as may. Try again in ${after}.`);
  }
  if (obstacle.why === 'late') {
    return refuse(
      'rate_limit_requests',
      `When there was room for this request at ${target}, too little of its time was left for a call. ${MORE_ROOM}`,
    );
  }
  const code = obstacle.of === 'tokens' ? 'rate_limit_tokens' : 'rate_limit_requests';
  if (obstacle.why === 'pause') {
    return refuse(
      code,
      `The provider asked for no calls to ${target} for another ${after}, ${tooLate}. Give the request more time (x-flo2-timeout-ms), or register another key.`,
    );
  }
  if (obstacle.of === 'concurrency') {
    return refuse(
      code,
      `As many calls to ${target} are under way as its keys may have at once; there is room in about ${after}, ${tooLate}. ${MORE_ROOM}`,
    );
  }
  const limit = obstacle.of === 'tokens' ? 'token' : 'request';
  return refuse(
    code,
    `The ${limit} limit of the keys for ${target} has room in about ${after}, ${tooLate}. ${MORE_ROOM}`,
  );
};

/** What to tell where no key of the plan may be used. */
export const unusableError = (troubles: readonly KeyTrouble[], nowMs: number): FloError => {
  const parked = troubles.filter(({ reason }) => reason === 'parked');
  if (parked.length === 0) {
    return new FloError(
      'authentication',
      'The provider rejected the registered key. Rotate it, or register another.',
    );
  }
  const soonestMs = Math.min(...parked.map(({ probeAtMs }) => probeAtMs));
  const retryAfterMs = Math.max(RETRY_AFTER_MIN_MS, soonestMs - nowMs);
  return new FloError(
    'quota',
    `The provider account’s quota or credit is used up; it is tried again in ${Math.ceil(retryAfterMs / 1_000)} s. Add to it, or register another key.`,
    { retryAfterMs },
  );
};

import type { GrantRequest } from '#contracts/attempt-line';
import type { AttemptHold } from '#contracts/budget';
import type { DispatchHeader, RequestPlan } from '#contracts/dispatch';
import type { Reservation } from '#contracts/reservation';
import { requestIdOf } from '#domain/work-item';
import type { AdmittedItem } from '#postgres/work-backlog';
import type { OrphanedItem } from '#postgres/work-recovery';

/** How long one attempt may take to its first byte where no route says it: a deadline is a day away here. */
const ATTEMPT_TIMEOUT_MS = 10 * 60_000;

export type Planned = { plan: RequestPlan; route: string | null };

const common = (
  item: Pick<
    AdmittedItem,
    | 'id'
    | 'tenantId'
    | 'apiKeyId'
    | 'lane'
    | 'surface'
    | 'requestedModel'
    | 'options'
    | 'createdAtMs'
    | 'deadlineAtMs'
  >,
) => ({
  version: 1 as const,
  requestId: requestIdOf(item.id),
  tenantId: item.tenantId,
  apiKeyId: item.apiKeyId,
  lane: item.lane,
  surface: item.surface,
  stream: false,
  streamFraming: 'sse' as const,
  dropInexpressible: item.options.dropInexpressible,
  requestedModel: item.requestedModel,
  attribution: item.options.attribution,
  forwardedHeaders: item.options.forwardedHeaders,
  ingressId: null,
  admittedAtMs: item.createdAtMs,
  deadlineAtMs: item.deadlineAtMs,
});

/** The dispatch of an item's next round; its attempts go on counting where the round before ended. */
export const dispatchOf = (
  item: AdmittedItem,
  { plan, route }: Planned,
  taken: { holds: AttemptHold[]; reservation: Reservation | null },
): DispatchHeader => ({
  ...common(item),
  route,
  plan: {
    ...plan,
    maxAttempts: item.attempts + plan.maxAttempts,
    attemptTimeoutMs: plan.attemptTimeoutMs ?? ATTEMPT_TIMEOUT_MS,
  },
  holds: taken.holds,
  reservation: taken.reservation,
  step: taken.reservation?.step ?? 0,
  firstAttempt: item.attempts + 1,
  workItem: { id: item.id, round: item.rounds + 1 },
});

/** What is known of the attempt of a lost worker, as the ledger's presumption needs it. */
export const lostDispatch = (item: OrphanedItem): { header: DispatchHeader; grant: GrantRequest } => {
  const { claim } = item;
  const header: DispatchHeader = {
    ...common(item),
    route: claim.route,
    plan: {
      steps: [{ provider: claim.provider, model: claim.model, providerKeyIds: [claim.providerKeyId] }],
      maxAttempts: item.attempts,
      attemptTimeoutMs: null,
    },
    holds: claim.holds ?? [],
    step: claim.step,
    firstAttempt: item.attempts,
  };
  return {
    header,
    grant: {
      requestId: header.requestId,
      step: claim.step,
      attemptNumber: item.attempts,
      attemptId: claim.attemptId,
      workerId: '',
      provider: claim.provider,
      model: claim.model,
      providerKeyId: claim.providerKeyId,
      willCall: true,
    },
  };
};

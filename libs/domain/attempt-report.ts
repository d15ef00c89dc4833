import type { AttemptEvent, AttemptOutcome } from '#contracts/attempt-event';
import type { GrantRequest } from '#contracts/attempt-line';
import type { DispatchHeader } from '#contracts/dispatch';
import type { AttemptId, ProviderKeyId } from '#contracts/ids';
import { UNKNOWN_USAGE, type Usage } from '#contracts/usage';
import type { ProviderId } from '#contracts/vocabulary';
import type { ErrorCode } from './errors.ts';

/** What one attempt came to. Times are Unix milliseconds. */
export type AttemptReport = {
  attemptId: AttemptId;
  attemptNumber: number;
  step: number;
  provider: ProviderId;
  model: string;
  providerKeyId: ProviderKeyId;
  outcome: AttemptOutcome;
  errorCode: ErrorCode | null;
  upstreamStatus: number | null;
  upstreamRequestId: string | null;
  servedModel: string | null;
  providerResponseId: string | null;
  finishReason: string | null;
  usage: Usage;
  startedAtMs: number;
  firstByteAtMs: number | null;
  firstTokenAtMs: number | null;
  endedAtMs: number;
};

/** A clock that was set back must not make a duration negative. */
const elapsedMs = (fromMs: number, toMs: number): number => Math.max(0, Math.round(toMs - fromMs));

/** What a provider says of itself is kept in bounds: a hostile answer must not grow into the ledger. */
const TEXT_LENGTH_MAX = 256;
const RAW_USAGE_LENGTH_MAX = 16 * 1024;

const bounded = (text: string | null): string | null => text?.slice(0, TEXT_LENGTH_MAX) ?? null;

const boundedUsage = ({ raw, serviceTier, ...counts }: Usage): Usage => ({
  ...counts,
  ...(serviceTier !== undefined && { serviceTier: serviceTier.slice(0, TEXT_LENGTH_MAX) }),
  ...(raw !== undefined && JSON.stringify(raw).length <= RAW_USAGE_LENGTH_MAX && { raw }),
});

const buildEvent = (request: DispatchHeader, report: AttemptReport, revision: 0 | 1): AttemptEvent => {
  const { startedAtMs, firstByteAtMs, firstTokenAtMs, endedAtMs, ...facts } = report;
  return {
    ...facts,
    servedModel: bounded(facts.servedModel),
    upstreamRequestId: bounded(facts.upstreamRequestId),
    providerResponseId: bounded(facts.providerResponseId),
    finishReason: bounded(facts.finishReason),
    usage: boundedUsage(facts.usage),
    version: 1,
    revision,
    requestId: request.requestId,
    tenantId: request.tenantId,
    apiKeyId: request.apiKeyId,
    requestedModel: request.requestedModel,
    route: request.route,
    lane: request.lane,
    surface: request.surface,
    stream: request.stream,
    attribution: request.attribution,
    holds: request.holds,
    startedAtMs,
    queueMs: elapsedMs(request.admittedAtMs, startedAtMs),
    firstByteMs: firstByteAtMs === null ? null : elapsedMs(startedAtMs, firstByteAtMs),
    firstTokenMs: firstTokenAtMs === null ? null : elapsedMs(startedAtMs, firstTokenAtMs),
    durationMs: elapsedMs(startedAtMs, endedAtMs),
  };
};

/** The worker's event: what it saw. */
export const reportedEvent = (request: DispatchHeader, report: AttemptReport): AttemptEvent =>
  buildEvent(request, report, 1);

/** The ingress's event for a granted attempt whose worker went silent; the worker's own replaces it. */
export const presumedLostEvent = (
  request: DispatchHeader,
  grant: GrantRequest,
  times: { grantedAtMs: number; nowMs: number },
): AttemptEvent =>
  buildEvent(
    request,
    {
      attemptId: grant.attemptId,
      attemptNumber: grant.attemptNumber,
      step: grant.step,
      provider: grant.provider,
      model: grant.model,
      providerKeyId: grant.providerKeyId,
      outcome: 'outcome_unknown',
      errorCode: 'outcome_unknown',
      upstreamStatus: null,
      upstreamRequestId: null,
      servedModel: null,
      providerResponseId: null,
      finishReason: null,
      usage: UNKNOWN_USAGE,
      startedAtMs: times.grantedAtMs,
      firstByteAtMs: null,
      firstTokenAtMs: null,
      endedAtMs: times.nowMs,
    },
    0,
  );

import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { tenantId as tenantIdSchema, type TenantId } from '#contracts/ids';
import { FloError } from '#domain/errors';
import { encodeUsd } from '#domain/money';
import type { Clock } from '#domain/ports';
import type { LiveAttempt, LivePiece } from '#postgres/usage-live';
import { invalidInput } from './list-input.ts';
import { readTenantOf, type Authorize } from './usage-authorization.ts';

export type UsageLiveDependencies = {
  authorize: Authorize;
  clock: Clock;
  readPiece: (asked: { tenantId: TenantId | null; since: string; newestMax: number }) => Promise<LivePiece>;
  /** How often the ledger is looked at. @default 1_000 */
  pollMs?: number;
};

/** Open at once in one process; each asks Postgres once a second. */
const STREAMS_MAX = 64;
const POLL_MS = 1_000;
/** Of one piece; a busy second has more, which are only counted and summed. */
const NEWEST_MAX = 100;
/** How far back a stream begins, or goes on where it was broken off. */
const BACKLOG_MS = 10 * 60_000;
/** Proxies close what is silent for a minute. */
const HEARTBEAT_MS = 15_000;

const liveQuery = z.strictObject({ tenant: tenantIdSchema.optional() });
const position = z.iso.datetime({ offset: true });

const encodeAttempt = (attempt: LiveAttempt) => ({
  attempt_id: attempt.attemptId,
  request_id: attempt.requestId,
  tenant: attempt.tenantId,
  team: attempt.team,
  feature: attempt.feature,
  provider: attempt.provider,
  model: attempt.model,
  route: attempt.route,
  lane: attempt.lane,
  surface: attempt.surface,
  status: attempt.outcome,
  error_code: attempt.errorCode,
  started_at: attempt.startedAt.toISOString(),
  queue_ms: attempt.queueMs,
  first_token_ms: attempt.firstTokenMs,
  duration_ms: attempt.durationMs,
  input_tokens: attempt.inputTokens,
  output_tokens: attempt.outputTokens,
  pricing: attempt.pricing,
  cost: attempt.costPicoUsd === null ? null : encodeUsd(attempt.costPicoUsd),
});

/** Where to begin: after the last piece that the client has, unless that is too long ago. */
const beginOf = (request: FastifyRequest, nowMs: number): string => {
  const earliestMs = nowMs - BACKLOG_MS;
  const last = position.safeParse(request.headers['last-event-id']);
  return last.success && Date.parse(last.data) > earliestMs ? last.data : new Date(earliestMs).toISOString();
};

/**
 * `GET /api/v1/usage/live`: server-sent events about what is recorded, as it is. `event: usage` has the newest
 * attempts since the event before, how many there were and what they cost, and the same since the stream
 * began; its `id` goes into `Last-Event-ID`. The next piece is read when the reader has taken the last one.
 */
export const registerUsageLiveRoute = (app: FastifyInstance, deps: UsageLiveDependencies): void => {
  const { authorize, clock, readPiece, pollMs = POLL_MS } = deps;
  const open = new Set<AbortController>();
  app.addHook('preClose', (done) => {
    for (const stream of open) stream.abort();
    done();
  });

  async function* eventsOf(
    tenantId: TenantId | null,
    begin: string,
    signal: AbortSignal,
  ): AsyncGenerator<string> {
    let since = begin;
    let attempts = 0;
    let costPicoUsd = 0n;
    let saidAtMs = clock.nowMs();
    yield 'retry: 2000\n\n';
    while (!signal.aborted) {
      const piece = await readPiece({ tenantId, since, newestMax: NEWEST_MAX });
      since = piece.until;
      if (piece.attempts > 0) {
        attempts += piece.attempts;
        costPicoUsd += piece.costPicoUsd;
        saidAtMs = clock.nowMs();
        const data = {
          until: piece.until,
          attempts: piece.attempts,
          /** Of the priced attempts. */
          cost: encodeUsd(piece.costPicoUsd),
          /** Attempts that are counted and summed here and not told one by one. */
          left_out: piece.attempts - piece.newest.length,
          running: { since: begin, attempts, cost: encodeUsd(costPicoUsd) },
          data: piece.newest.map(encodeAttempt),
        };
        yield `id: ${piece.until}\nevent: usage\ndata: ${JSON.stringify(data)}\n\n`;
      } else if (clock.nowMs() - saidAtMs >= HEARTBEAT_MS) {
        saidAtMs = clock.nowMs();
        yield ': nothing new\n\n';
      }
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  app.get('/api/v1/usage/live', async (request, reply) => {
    const principal = await authorize(request, { scope: 'usage:read' });
    const parsed = liveQuery.safeParse(request.query);
    if (!parsed.success) throw invalidInput(parsed.error);
    const tenantId = readTenantOf(principal, parsed.data.tenant);
    if (open.size >= STREAMS_MAX) {
      throw new FloError('unavailable', 'Too many live streams are open. Try again shortly.', {
        retryAfterMs: 10_000,
      });
    }
    const stopping = new AbortController();
    open.add(stopping);
    const events = eventsOf(tenantId, beginOf(request, clock.nowMs()), stopping.signal);
    const stream = Readable.from(events, { objectMode: true, highWaterMark: 1 });
    reply.raw.once('close', () => stopping.abort());
    stream.once('close', () => open.delete(stopping));
    return reply
      .header('content-type', 'text/event-stream')
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      .send(stream);
  });
};

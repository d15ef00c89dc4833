import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RequestId } from '#contracts/ids';
import { INLINE_BYTES_MAX } from '#contracts/subjects';
import type { ProviderId } from '#contracts/vocabulary';
import { AdmissionGate } from '#domain/admission-gate';
import { AdmissionLimits } from '#domain/admission-limits';
import type { BudgetGate } from '#domain/budget-gate';
import { parseApiKeyText } from '#domain/api-key-text';
import { FloError } from '#domain/errors';
import type { FleetState } from '#domain/fleet-state';
import { readIdempotencyKey, type IdempotentRequests } from '#domain/idempotency';
import type { IdMint } from '#domain/mint-id';
import { OpenCaps } from '#domain/open-caps';
import type { PriceRate } from '#domain/price-book';
import type { Clock, ConfigurationChanges, Logger, RateLimiter, TenantDirectory } from '#domain/ports';
import { createAttemptEventPublisher } from '#nats/attempt-event-publisher';
import { watchConnection } from '#nats/connection';
import { createDispatchPublisher } from '#nats/dispatch-queue';
import { openIngressLine } from '#nats/ingress-line';
import { createPayloadStore } from '#nats/payload-store';
import { faultPoint } from '#runtime/fault-point';
import { surfaceOf } from '#surfaces/registry';
import type { Surface } from '#surfaces/surface';
import { readCallerKey } from '#web/caller-key';
import { readServerError } from '#web/server';
import { admit, authenticate, type AdmissionDeps, type Incoming } from './admission.ts';
import type { AnswerTarget } from './answer-target.ts';
import { AnswerWriter } from './answer-writer.ts';
import { cacheDirectory } from '#domain/directory-cache';
import { DispatchWindows } from './dispatch-windows.ts';
import { abandoned, createEnqueue } from './enqueue.ts';
import { Gatekeeper } from './gatekeeper.ts';
import { withQueryKey } from './gemini-address.ts';
import { Idempotency } from './idempotency.ts';
import { Intake } from './intake.ts';
import { modelDialectOf, registerModelRoutes } from './models.ts';
import { OpenRequests } from './open-requests.ts';
import { bodyOf, INFERENCE_ROUTES, requestIdOf, takeRawBodies } from './routes.ts';
import { registerWorkRoutes, type WorkRouteDeps } from './work-routes.ts';

export type IngressDeps = {
  connection: NatsConnection;
  directory: TenantDirectory;
  configurationChanges: ConfigurationChanges;
  budgets: BudgetGate;
  isListed: (provider: ProviderId, model: string) => boolean;
  listedModels: (provider: ProviderId) => readonly string[];
  ratesOf: (provider: ProviderId, model: string) => readonly PriceRate[];
  limiter: RateLimiter;
  fleet: FleetState;
  idempotentRequests: IdempotentRequests;
  clock: Clock;
  mint: IdMint;
  logger: Logger;
  /** What work needs that is not answered on its own connection; null where none is taken on. */
  work: Omit<WorkRouteDeps, 'admission' | 'bodyLimitBytes' | 'logger'> | null;
  bodyLimitBytes: number;
  defaultTimeoutMs: number;
  /** Silence in a stream after which its client is sent a comment. */
  streamKeepAliveMs: number;
  /** How long a stop still takes requests, while it says that it is not ready. */
  drainNoticeMs: number;
  /** How long a stop lets open requests finish. */
  drainMs: number;
};

export type Ingress = {
  name: 'ingress';
  start: () => Promise<void>;
  /** Refuses new requests, lets the open ones finish for `drainMs`, then answers the rest with an error. */
  stop: () => Promise<void>;
  ready: () => boolean;
  registerRoutes: (app: FastifyInstance) => void;
};

export const createIngress = (deps: IngressDeps): Ingress => {
  const { connection, clock, mint, logger, bodyLimitBytes, limiter } = deps;
  const ingressId = mint.mint('ing');
  const events = createAttemptEventPublisher(connection, logger);
  const queue = createDispatchPublisher(connection);
  const payloads = createPayloadStore(connection);
  const watch = watchConnection(connection);
  const open = new OpenRequests({ clock, events, keepAliveMs: deps.streamKeepAliveMs });
  const directory = cacheDirectory(deps.directory, deps.configurationChanges, clock);
  const caps = new OpenCaps();
  const gatekeeper = new Gatekeeper({
    gate: new AdmissionGate(),
    caps,
    knownTenantOf: directory.knownTenantOf,
    clock,
  });
  const intake = new Intake();
  const windows = new DispatchWindows(clock);
  const admission: AdmissionDeps = {
    directory,
    limits: new AdmissionLimits(),
    caps,
    budgets: deps.budgets,
    isListed: deps.isListed,
    listedModels: deps.listedModels,
    ratesOf: deps.ratesOf,
    fleet: deps.fleet,
    clock,
    random: Math.random,
    ingressId,
    defaultTimeoutMs: deps.defaultTimeoutMs,
  };
  const idempotency = new Idempotency({ connection, store: deps.idempotentRequests, ingressId, logger });
  let accepting = false;
  let leaving = false;
  let finish: (() => Promise<void>) | null = null;

  const refuseIfUnable = (): void => {
    const reason = !accepting
      ? 'flo2 is being stopped.'
      : !watch.connected()
        ? 'The queue cannot be reached.'
        : null;
    if (reason !== null) {
      throw new FloError('unavailable', `${reason} Try again shortly.`, { retryAfterMs: 1_000 });
    }
    admission.caps.checkTotal();
  };

  const asFloError = (error: unknown, requestId: RequestId): FloError => {
    if (error instanceof FloError) return error;
    logger.error({ requestId, err: error }, 'a request failed inside the ingress');
    return new FloError('internal', 'flo2 failed.', { cause: error });
  };

  const enqueue = createEnqueue({ limiter, windows, payloads, queue, open, asFloError });

  /** Admits and queues a request whose answer goes to `target`, and ends it when its client leaves, where it has one. */
  const execute = async (
    incoming: Incoming,
    target: AnswerTarget,
    client: ServerResponse | null,
  ): Promise<void> => {
    const { requestId, surface } = incoming;
    const writer = new AnswerWriter(target, surface, requestId);
    try {
      refuseIfUnable();
      const { header, release, hold, routing, tokens } = await admit(admission, incoming);
      faultPoint('ingress.authenticated');
      if (target.destroyed) {
        release();
        hold.end(0);
        return;
      }
      const onClosed = (calls: number): void => {
        hold.end(calls);
        windows.over(requestId);
        if (incoming.body.length > INLINE_BYTES_MAX) void payloads.remove(requestId);
      };
      open.open(header, writer, { onSettled: release, onClosed });
      const left = new AbortController();
      let isQueued = false;
      client?.once('close', () => {
        open.leave(requestId);
        // Nothing listens later, and every connection closes in the end.
        if (!isQueued) left.abort(abandoned);
      });
      await enqueue({ header, body: incoming.body }, { routing, tokens, signal: left.signal });
      isQueued = true;
    } catch (error) {
      writer.fail(asFloError(error, requestId), 0, null);
    }
  };

  const serve = async (incoming: Incoming, { raw: response }: FastifyReply): Promise<void> => {
    const { requestId, surface, headers } = incoming;
    // The next request on this connection shall find another ingress.
    if (leaving) response.shouldKeepAlive = false;
    try {
      const key = readIdempotencyKey(headers['idempotency-key']);
      if (key === null) return await execute(incoming, response, response);
      refuseIfUnable();
      const apiKeyText = parseApiKeyText(readCallerKey(headers));
      const apiKey = await authenticate(admission, headers);
      // It goes on without its client, who is expected back.
      const carryOut = (target: AnswerTarget): Promise<void> => execute(incoming, target, null);
      await idempotency.serve({ incoming, apiKey, apiKeyText, key, response, execute: carryOut });
    } catch (error) {
      new AnswerWriter(response, surface, requestId).fail(asFloError(error, requestId), 0, null);
    }
  };

  const sendError = (
    request: FastifyRequest,
    reply: FastifyReply,
    surface: Surface,
    error: FloError,
  ): FastifyReply => {
    const requestId = requestIdOf(request);
    const { status, headers, body } = surface.encodeError(error, requestId);
    return reply.code(status).headers(headers).header('x-flo2-request-id', requestId).send(body);
  };

  return {
    name: 'ingress',
    start: async () => {
      const line = openIngressLine(connection, ingressId, {
        onGrant: (request) => {
          windows.taken(request.requestId);
          return open.grant(request);
        },
        onFrame: (frame) => open.take(frame),
        onHeartbeat: (beat) => open.beat(beat),
        onUnreadable: (subject) => logger.warn({ subject }, 'a message could not be read'),
      });
      await connection.flush();
      open.start(line);
      gatekeeper.start();
      idempotency.start();
      accepting = true;
      finish = async () => {
        leaving = true;
        open.closeConnections();
        await sleep(deps.drainNoticeMs);
        accepting = false;
        const failAll = setTimeout(
          () => open.failAll(new FloError('unavailable', 'flo2 was stopped before an answer was complete.')),
          deps.drainMs,
        );
        await open.empty();
        clearTimeout(failAll);
        open.stop();
        gatekeeper.stop();
        await idempotency.stop();
        await events.flushed();
        await line.close();
      };
    },
    stop: async () => {
      await finish?.();
      finish = null;
    },
    ready: () => accepting && !leaving && watch.connected(),
    registerRoutes: (app) => {
      for (const { path, surface: surfaceId, address, takesQueryKey } of INFERENCE_ROUTES) {
        const surface = surfaceOf(surfaceId);
        app.register(async (scope) => {
          takeRawBodies(scope);
          // Before the body is read: who cannot be served costs as little as can be.
          scope.addHook('onRequest', gatekeeper.hookFor(surface));
          scope.addHook('onRequest', async () => refuseIfUnable());
          scope.setErrorHandler((error: FastifyError, request, reply) =>
            sendError(request, reply, surface, readServerError(error, bodyLimitBytes)),
          );
          scope.post(path, { bodyLimit: bodyLimitBytes }, (request, reply) => {
            const addressed = address(request);
            reply.hijack();
            const incoming = {
              requestId: requestIdOf(request),
              surface: surfaceOf(addressed.surface),
              path: addressed.path,
              headers: takesQueryKey
                ? withQueryKey(request.headers, request.query as Record<string, unknown>)
                : request.headers,
              body: bodyOf(request),
            };
            intake.add(() => serve(incoming, reply));
          });
        });
      }
      if (deps.work !== null) registerWorkRoutes(app, { ...deps.work, admission, bodyLimitBytes, logger });
      app.register(async (scope) => {
        scope.setErrorHandler((error: FastifyError, request, reply) =>
          sendError(
            request,
            reply,
            surfaceOf(modelDialectOf(request)),
            readServerError(error, bodyLimitBytes),
          ),
        );
        registerModelRoutes(scope, { ...admission, ratesOf: deps.ratesOf });
      });
    },
  };
};

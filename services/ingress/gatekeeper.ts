import type { FastifyReply, FastifyRequest } from 'fastify';
import type { TenantId } from '#contracts/ids';
import type { AdmissionGate } from '#domain/admission-gate';
import type { OpenCaps } from '#domain/open-caps';
import type { Clock } from '#domain/ports';
import { watchLoopDelay } from '#runtime/loop-delay';
import type { Surface } from '#surfaces/surface';
import { hashApiKey, readCallerKey } from '#web/caller-key';
import { createBusyAnswer } from './busy-answer.ts';
import { requestIdOf } from './routes.ts';

const OBSERVED_EVERY_MS = 100;
/** More of a refused body than this is not read on: its connection ends. */
const BODY_READ_ON_BYTES = 64 * 1024;

export type GatekeeperDeps = {
  gate: AdmissionGate;
  caps: OpenCaps;
  /** Whose key this is, by its hash, where that is known without asking anybody. */
  knownTenantOf: (keyHash: Uint8Array) => TenantId | null;
  clock: Clock;
};

type Hook = (request: FastifyRequest, reply: FastifyReply, done: () => void) => void;

/**
 * Stands before the inference routes: who finds no place is answered before a byte of the body is read, with an
 * answer that is there already. Unknown keys share what one caller may have.
 */
export class Gatekeeper {
  readonly #deps: GatekeeperDeps;
  #endWatch: (() => void) | null = null;

  constructor(deps: GatekeeperDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#endWatch = watchLoopDelay(OBSERVED_EVERY_MS, (seen) => this.#deps.gate.observe(seen));
  }

  stop(): void {
    this.#endWatch?.();
  }

  /** To run once a request's headers are read; its place is free again when its answer is over. */
  hookFor(surface: Surface): Hook {
    const { gate, caps, knownTenantOf, clock } = this.#deps;
    const systemBusy = createBusyAnswer(
      surface,
      'unavailable',
      'flo2 has as many requests as it can work on. Try again after the time that Retry-After tells.',
    );
    const tenantBusy = createBusyAnswer(
      surface,
      'queue_full',
      'This tenant has as many requests open as it may. Try again after the time that Retry-After tells.',
    );
    return (request, reply, done) => {
      const key = readCallerKey(request.headers);
      const tenantId = key === null ? null : knownTenantOf(hashApiKey(key));
      const isTenantFull = tenantId !== null && caps.isFullFor(tenantId);
      if (!isTenantFull && gate.admits(tenantId ?? '')) {
        reply.raw.once('close', gate.enter(tenantId ?? ''));
        done();
        return;
      }
      reply.hijack();
      const { raw: response } = reply;
      const bodyBytes = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY);
      if (!(bodyBytes <= BODY_READ_ON_BYTES)) response.shouldKeepAlive = false;
      const refuse = isTenantFull ? tenantBusy : systemBusy;
      refuse(response, {
        requestId: requestIdOf(request),
        retryAfterSeconds: gate.refuse(clock.nowMs()),
      });
    };
  }
}

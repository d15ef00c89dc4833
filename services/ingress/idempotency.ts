import { hash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { FloError } from '#domain/errors';
import type { ApiKey } from '#domain/api-key';
import type { ClaimReply, IdempotentClaim, IdempotentRequests } from '#domain/idempotency';
import type { Logger } from '#domain/ports';
import { follow, serveFollowers, type ReplayFrame } from '#nats/replay-line';
import { openResult, sealResult } from '#vault/result-seal';
import type { Incoming } from './admission.ts';
import type { AnswerTarget, Follower } from './answer-target.ts';
import { AnswerWriter } from './answer-writer.ts';
import { decodeKeptAnswer, encodeKeptAnswer } from './kept-answer.ts';
import { Recording } from './recording.ts';
import { responseFollower } from './response-follower.ts';

export type IdempotencyDeps = {
  connection: NatsConnection;
  store: IdempotentRequests;
  ingressId: string;
  logger: Logger;
};

/** A request with an `Idempotency-Key`. */
export type KeyedRequest = {
  incoming: Incoming;
  apiKey: Pick<ApiKey, 'id' | 'tenantId'>;
  /** As the client showed it: its answer is sealed under it. */
  apiKeyText: string;
  key: string;
  response: ServerResponse;
  /** Carries the request out; resolves once its answer, or a refusal, is under way to the target. */
  execute: (target: AnswerTarget) => Promise<void>;
};

type Running = { fingerprint: Uint8Array; recording: Recording };
type Found = Exclude<ClaimReply, { state: 'claimed' }>;

const EXPIRED_SWEEP_MS = 600_000;
const EXPIRED_AT_ONCE = 1_000;
/** For the moment in which another has claimed, or has just finished, and does not say so yet. */
const TRIES = 40;
const TRY_AGAIN_MS = 50;

const sha256 = (...parts: readonly (string | Uint8Array)[]): Buffer =>
  // Each part with its length before it, so that no two lists of parts are the same bytes.
  hash(
    'sha256',
    Buffer.concat(parts.flatMap((part) => [Buffer.from(`${part.length}:`), Buffer.from(part)])),
    'buffer',
  );

const isSame = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

const mismatch = (): FloError =>
  new FloError(
    'idempotency_mismatch',
    'Another request was sent with this Idempotency-Key: use a new key for a new request.',
    { param: 'Idempotency-Key' },
  );

const tooLarge = (): FloError =>
  new FloError(
    'conflict',
    'The request with this Idempotency-Key was carried out; its answer was too large to be kept.',
  );

const busy = (): FloError =>
  new FloError(
    'unavailable',
    'The request with this Idempotency-Key cannot be followed now. Try again shortly.',
    {
      retryAfterMs: 1_000,
    },
  );

const passOn = ({ header, bytes }: ReplayFrame, follower: Follower): void => {
  switch (header.kind) {
    case 'head':
      return follower.head(header.status, header.headers);
    case 'data':
      return follower.data(bytes);
    case 'comment':
      return follower.comment(header.text);
    case 'end':
      return follower.end();
    case 'broken':
      return follower.breakOff();
  }
};

/** Carries out one of the requests with the same key, and gives all of them its answer. */
export class Idempotency {
  readonly #deps: IdempotencyDeps;
  readonly #running = new Map<string, Running>();
  #sweep: NodeJS.Timeout | null = null;
  #line: { close: () => Promise<void> } | null = null;

  constructor(deps: IdempotencyDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { connection, ingressId, store, logger } = this.#deps;
    this.#line = serveFollowers(connection, ingressId, (scope, open) => {
      const running = this.#running.get(scope);
      if (running === undefined) return { state: 'unknown' };
      if (running.recording.overflowed) return { state: 'too_large' };
      running.recording.follow(open());
      return { state: 'following' };
    });
    this.#sweep = setInterval(() => {
      store.removeExpired(EXPIRED_AT_ONCE).catch((error: unknown) => {
        logger.warn({ err: error }, 'expired answers could not be removed; trying again later');
      });
    }, EXPIRED_SWEEP_MS);
    this.#sweep.unref();
  }

  async stop(): Promise<void> {
    if (this.#sweep !== null) clearInterval(this.#sweep);
    await this.#line?.close();
  }

  /** Rejects with `FloError` where the client gets no answer by another way. */
  async serve(request: KeyedRequest): Promise<void> {
    const { incoming, apiKey, key } = request;
    const claim: IdempotentClaim = {
      tenantId: apiKey.tenantId,
      scope: sha256(apiKey.id, incoming.surface.id, key),
      fingerprint: sha256(incoming.surface.id, JSON.stringify(incoming.path), incoming.body),
      ingressId: this.#deps.ingressId,
      requestId: incoming.requestId,
    };
    for (let tries = 0; tries < TRIES && !request.response.destroyed; tries += 1) {
      const reply = await this.#claim(claim);
      if (reply.state === 'claimed') return this.#execute(request, claim);
      if (!isSame(reply.fingerprint, claim.fingerprint)) throw mismatch();
      if (await this.#giveTo(request, claim, reply)) return;
      await sleep(TRY_AGAIN_MS);
    }
    throw busy();
  }

  async #claim(claim: IdempotentClaim): Promise<ClaimReply> {
    try {
      return await this.#deps.store.claim(claim);
    } catch (error) {
      throw new FloError('unavailable', 'Idempotency keys cannot be looked up now. Try again shortly.', {
        retryAfterMs: 1_000,
        cause: error,
      });
    }
  }

  async #execute(request: KeyedRequest, claim: IdempotentClaim): Promise<void> {
    const scope = Buffer.from(claim.scope).toString('base64');
    const recording = new Recording(() => void this.#keep(request, claim, recording));
    this.#running.set(scope, { fingerprint: claim.fingerprint, recording });
    this.#attach(recording, request.response, false);
    await request.execute(recording);
  }

  /** Stores what the request came to, and only then gives its end away. */
  async #keep({ apiKeyText }: KeyedRequest, claim: IdempotentClaim, recording: Recording): Promise<void> {
    const { store, logger } = this.#deps;
    try {
      if (!recording.mayHaveRun) await store.release(claim);
      else {
        const { answer } = recording;
        const sealed = answer === null ? null : sealResult(apiKeyText, claim.scope, encodeKeptAnswer(answer));
        if (!(await store.finish(claim, sealed))) {
          logger.warn({ requestId: claim.requestId }, 'an answer was given up for lost before it came');
        }
      }
    } catch (error) {
      // The client has its answer; whoever repeats the request is told that nobody knows.
      logger.error({ requestId: claim.requestId, err: error }, 'an answer could not be kept for replay');
    }
    recording.release();
    this.#running.delete(Buffer.from(claim.scope).toString('base64'));
  }

  #attach(recording: Recording, response: ServerResponse, isReplay: boolean): void {
    const unfollow = recording.follow(responseFollower(response, isReplay));
    if (unfollow === null) throw tooLarge();
    response.once('close', unfollow);
  }

  /** False where it is worth another look: the one that runs is about to be found, or was just finished. */
  async #giveTo(request: KeyedRequest, claim: IdempotentClaim, found: Found): Promise<boolean> {
    if (found.state === 'finished') {
      this.#replay(request, claim, found.result);
      return true;
    }
    const scope = Buffer.from(claim.scope).toString('base64');
    if (found.ingressId === this.#deps.ingressId) {
      const running = this.#running.get(scope);
      if (running === undefined) return false;
      this.#attach(running.recording, request.response, true);
      return true;
    }
    const follower = responseFollower(request.response, true);
    const { state, stop } = await follow(
      this.#deps.connection,
      { ingressId: found.ingressId, scope },
      (frame) => passOn(frame, follower),
    );
    switch (state) {
      case 'following':
        request.response.once('close', stop);
        return true;
      case 'too_large':
        throw tooLarge();
      case 'silent':
        throw busy();
      case 'unknown':
        return false;
      case 'gone':
        await this.#presumeLost(request, { ...claim, requestId: found.requestId });
        return false;
    }
  }

  #replay(request: KeyedRequest, claim: IdempotentClaim, result: Uint8Array | null): void {
    if (result === null) throw tooLarge();
    const plain = openResult(request.apiKeyText, claim.scope, result);
    if (plain === null) {
      throw new FloError(
        'conflict',
        'The request with this Idempotency-Key was carried out; its answer was sealed under the API key that was rotated since.',
      );
    }
    const { status, headers, body } = decodeKeptAnswer(plain);
    const follower = responseFollower(request.response, true);
    follower.head(status, headers);
    follower.data(body);
    follower.end();
  }

  /** The ingress that ran it has died: what it came to is not known, and all who ask are told the same. */
  async #presumeLost(request: KeyedRequest, lost: IdempotentClaim): Promise<void> {
    const recording = new Recording(() => undefined);
    const message =
      'The flo2 process that carried this request out was lost; a call to the provider may have happened. Use a new Idempotency-Key to send it again, if being charged twice is acceptable.';
    new AnswerWriter(recording, request.incoming.surface, lost.requestId).fail(
      new FloError('outcome_unknown', message),
      1,
      null,
    );
    const { answer } = recording;
    if (answer === null) throw busy();
    const sealed = sealResult(request.apiKeyText, lost.scope, encodeKeptAnswer(answer));
    await this.#deps.store.finish(lost, sealed);
  }
}

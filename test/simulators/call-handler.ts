import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { composeAnswer } from './answer.ts';
import type { Answer } from './answer.ts';
import type { BatchRoom } from './batches/batch-room.ts';
import { behaviourOfModel, mergeBehaviours, parseBehaviourWords } from './behaviour.ts';
import type { Behaviour } from './behaviour.ts';
import type { BehaviourRules } from './behaviour-rules.ts';
import type { CallLog, CallRecord } from './call-log.ts';
import { uniqueOf, type CallSequence } from './call-sequence.ts';
import { takeFromLimits, tokensOfPlain } from './charging.ts';
import { deliverPieces, deliverStream, deliverWhole, pause } from './delivery.ts';
import type { Delivered, Delivery } from './delivery.ts';
import { disguise } from './disguise.ts';
import { RefusedRequest } from './provider.ts';
import type {
  AcceptedPlain,
  AcceptedRequest,
  Address,
  CallContext,
  Endpoint,
  Failure,
  InferenceEndpoint,
  SimulatedProvider,
  StoredEndpoint,
} from './provider.ts';
import type { RateLimiter } from './rate-limits.ts';
import type { Reading, RequestReader } from './request-reader.ts';
import { askStored } from './stored-answer.ts';

export type CallHandlerOptions = {
  log: CallLog;
  rules: BehaviourRules;
  limiter: RateLimiter;
  batches: BatchRoom;
  reader: RequestReader;
  sequence: CallSequence;
  models: readonly string[];
  /** Null: every key with the provider's prefix that does not contain `invalid`. */
  acceptedKeys: ReadonlySet<string> | null;
  keepBodies: boolean;
};

export type ArrivedCall = {
  provider: SimulatedProvider;
  endpoint: Endpoint;
  address: Address;
  request: IncomingMessage;
  response: ServerResponse;
  path: string;
  query: string;
  /** Of a file or a batch that the path names, or empty. */
  id: string;
  /** Null where it was over the limit and is gone. */
  body: Buffer | null;
};

type Handling = ArrivedCall & { record: CallRecord; context: CallContext; gone: AbortController };

const NO_BODY = Buffer.alloc(0);
const EVENT_STREAM = 'text/event-stream; charset=utf-8';
/** Files and batches are read by what handles them. */
const NO_READING: Reading = { model: null, stream: false, accepted: null, refused: null };
const NOT_READ: Failure = { status: 500, type: 'server_error', message: 'The request was not read.' };

const singleHeader = (request: IncomingMessage, name: string): string | null => {
  const value = request.headers[name];
  return typeof value === 'string' ? value : null;
};

/** Answers the calls of every provider and writes them down. */
export class CallHandler {
  readonly #options: CallHandlerOptions;

  constructor(options: CallHandlerOptions) {
    this.#options = options;
  }

  handle(call: ArrivedCall): void {
    const sequence = this.#options.sequence.next();
    const { provider, endpoint, request, response } = call;
    const body = call.body ?? NO_BODY;
    const bodySha256 = hash('sha256', body, 'hex');
    const unique = uniqueOf(bodySha256, sequence);
    const context: CallContext = {
      seed: Number.parseInt(bodySha256.slice(0, 8), 16),
      unique,
      requestId: provider.newRequestId(unique),
      nowMs: Date.now(),
      limits: null,
    };
    const reading =
      'handle' in endpoint ? NO_READING : this.#options.reader.read({ ...call, endpoint, body, bodySha256 });
    const record: CallRecord = {
      sequence,
      startedAtMs: context.nowMs,
      endedAtMs: null,
      provider: provider.id,
      method: request.method ?? '',
      path: call.path,
      credential: provider.credentialOf(request.headers),
      model: reading.model,
      stream: reading.stream,
      bodySha256,
      attemptId: singleHeader(request, 'x-flo2-attempt-id'),
      requestId: context.requestId,
      status: null,
      limitedBy: null,
      tokens: {},
      outcome: 'open',
      ...(this.#options.keepBodies ? { body: body.toString() } : {}),
    };
    this.#options.log.add(record);
    const gone = new AbortController();
    response.on('close', () => {
      // An abort makes an error with a stack trace, the dearest part of a call answered at once.
      if (!response.writableFinished) gone.abort();
      const unfinished = !response.writableFinished && record.outcome !== 'cut';
      if (unfinished && record.outcome !== 'aborted') this.#options.log.decide(record, 'aborted');
    });
    this.#answer({ ...call, record, context, gone }, reading).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  }

  /** Runs to its end without yielding where nothing asks for a delay: no waiting in the common case. */
  async #answer(handling: Handling, reading: Reading): Promise<void> {
    const { provider, record, context } = handling;
    if (!this.#accepts(provider, record.credential))
      return this.#sendFailure(handling, provider.refuseCredential(record.credential), {});
    if (handling.body === null)
      return this.#sendFailure(handling, provider.failureOf({ status: 413 }, ''), {});
    const { endpoint } = handling;
    if ('handle' in endpoint) return this.#answerStored({ ...handling, endpoint });
    const { accepted } = reading;
    if (accepted === null) return this.#sendFailure(handling, reading.refused ?? NOT_READ, {});
    const behaviour = this.#behaviourOf(handling, reading.model);
    const answer =
      accepted.kind === 'inference'
        ? composeAnswer(accepted.request.conversation, context.seed, behaviour)
        : null;
    const charged = answer?.tokens ?? (accepted.kind === 'plain' ? tokensOfPlain(accepted.request) : {});
    const overLimit =
      behaviour.status === undefined ? takeFromLimits(this.#options.limiter, handling, charged) : null;
    if (overLimit !== null) return this.#sendFailure(handling, overLimit, {});
    if (behaviour.hangBeforeHeaders === true) return;
    if (behaviour.latencyMs !== undefined && !(await pause(behaviour.latencyMs, handling.gone.signal)))
      return;
    if (behaviour.status !== undefined) {
      const failure = provider.failureOf({ ...behaviour, status: behaviour.status }, record.model ?? '');
      return this.#sendFailure(handling, failure, behaviour);
    }
    if (accepted.kind === 'plain') return this.#sendPlain(handling, accepted.request, behaviour);
    if (answer === null) return;
    return this.#sendAnswer({ ...handling, endpoint: accepted.endpoint }, accepted.request, {
      answer,
      behaviour,
    });
  }

  #accepts(provider: SimulatedProvider, credential: string | null): boolean {
    if (credential === null) return false;
    const { acceptedKeys } = this.#options;
    if (acceptedKeys !== null) return acceptedKeys.has(credential);
    return credential.startsWith(provider.keyPrefix) && !credential.includes('invalid');
  }

  #behaviourOf({ provider, endpoint, record, request }: Handling, model: string | null): Behaviour {
    const ofModel = model === null ? {} : behaviourOfModel(model);
    const words = singleHeader(request, 'x-sim-behaviour');
    const asked = words === null ? ofModel : mergeBehaviours(ofModel, parseBehaviourWords(words) ?? {});
    if (this.#options.rules.count === 0) return asked;
    const { operation } = endpoint;
    return this.#options.rules.apply(
      { provider: provider.id, operation, model, key: record.credential },
      asked,
    );
  }

  async #answerStored(handling: Handling & { endpoint: StoredEndpoint }): Promise<void> {
    const { provider, record, response, gone } = handling;
    const behaviour = this.#behaviourOf(handling, null);
    const account = this.#options.batches.accountOf(provider.id, record.credential ?? '');
    const outcome = await askStored({ ...handling, behaviour, account, gone: gone.signal });
    if (outcome === null) return;
    if ('failure' in outcome) return this.#sendFailure(handling, outcome.failure, outcome.behaviour);
    if (behaviour.loseAnswer === true) {
      this.#options.log.decide(record, 'cut');
      response.destroy();
      return;
    }
    const { status = 200, headers: own, body } = outcome;
    const headers = { ...provider.answerHeaders(handling.context), ...own };
    if (typeof body === 'string') return this.#sendWhole(handling, status, headers, body, behaviour);
    record.status = status;
    response.statusCode = status;
    response.setHeaders(new Map(Object.entries(headers)));
    const pieces = body instanceof Uint8Array ? [body] : body;
    return this.#finish(handling, deliverPieces(this.#delivery(handling, behaviour), pieces));
  }

  #sendPlain(handling: Handling, request: AcceptedPlain, behaviour: Behaviour): Promise<void> {
    const { provider, context, record } = handling;
    let body: string;
    try {
      body = request.encode({ context, behaviour, models: this.#options.models });
    } catch (error) {
      if (error instanceof RefusedRequest) return this.#sendFailure(handling, error.failure, {});
      throw error;
    }
    record.tokens = request.inputTokens === null ? {} : { input: request.inputTokens };
    return this.#sendWhole(handling, 200, provider.answerHeaders(context), body, behaviour);
  }

  #sendAnswer(
    handling: Handling & { endpoint: InferenceEndpoint },
    request: AcceptedRequest,
    { answer, behaviour }: { answer: Answer; behaviour: Behaviour },
  ): Promise<void> {
    const { provider, endpoint, context, record, response } = handling;
    const encode = { request, answer, behaviour, context };
    const headers = provider.answerHeaders(context);
    const replaced = behaviour.body !== undefined && behaviour.body !== 'json' && behaviour.body !== 'text';
    if (!request.stream || replaced) {
      record.tokens = answer.tokens;
      return this.#sendWhole(handling, 200, headers, endpoint.encodeAnswer(encode), behaviour);
    }
    record.status = 200;
    record.tokens = { ...answer.tokens, output: 0, reasoning: 0 };
    response.statusCode = 200;
    const type = behaviour.body === 'text' ? 'text/plain' : (endpoint.streamType ?? EVENT_STREAM);
    response.setHeaders(new Map([['content-type', type], ...Object.entries(headers)]));
    return this.#finish(
      handling,
      deliverStream({
        ...this.#delivery(handling, behaviour),
        events: endpoint.encodeStream(encode),
        failureEvent: endpoint.encodeStreamFailure,
        onSent: (output) => {
          record.tokens.output = output;
          record.tokens.reasoning = Math.min(output, answer.tokens.reasoning);
        },
      }),
    );
  }

  #sendFailure(handling: Handling, failure: Failure, behaviour: Behaviour): Promise<void> {
    const { provider, context } = handling;
    const headers = provider.failureHeaders(failure, behaviour, context);
    if (behaviour.retryAfter !== undefined) headers['retry-after'] = behaviour.retryAfter;
    if (behaviour.retryAfterMs !== undefined) headers['retry-after-ms'] = String(behaviour.retryAfterMs);
    const body = provider.encodeFailure(failure, context);
    // A 502 comes from a proxy in front of the API, and that speaks HTML.
    const shown: Behaviour = failure.status === 502 ? { body: 'html', ...behaviour } : behaviour;
    return this.#sendWhole(handling, failure.status, headers, body, shown);
  }

  #sendWhole(
    handling: Handling,
    status: number,
    headers: Record<string, string>,
    json: string,
    behaviour: Behaviour,
  ): Promise<void> {
    const { response, record } = handling;
    const { type, body } = disguise(json, behaviour.body ?? 'json');
    record.status = status;
    if (isPlain(behaviour)) {
      this.#options.log.decide(record, 'whole');
      response.writeHead(status, {
        'content-type': type,
        'content-length': Buffer.byteLength(body),
        ...headers,
      });
      response.end(body);
      return Promise.resolve();
    }
    response.statusCode = status;
    response.setHeaders(new Map([['content-type', type], ...Object.entries(headers)]));
    return this.#finish(handling, deliverWhole(this.#delivery(handling, behaviour), body));
  }

  #delivery({ response, gone, record }: Handling, behaviour: Behaviour): Delivery {
    return {
      response,
      behaviour,
      gone: gone.signal,
      beforeLast: () => {
        this.#options.log.decide(record, behaviour.streamErrorAfter === undefined ? 'whole' : 'cut');
      },
    };
  }

  async #finish({ record }: Handling, delivery: Promise<Delivered>): Promise<void> {
    if ((await delivery) === 'cut' && record.outcome === 'open') this.#options.log.decide(record, 'cut');
  }
}

const isPlain = (behaviour: Behaviour): boolean =>
  behaviour.cutAfter === undefined && behaviour.hangAfter === undefined && behaviour.dripMs === undefined;

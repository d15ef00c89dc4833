import { hash } from 'node:crypto';
import { composeAnswer } from '../answer.ts';
import type { Answer } from '../answer.ts';
import { behaviourOfModel } from '../behaviour.ts';
import type { Behaviour } from '../behaviour.ts';
import type { BehaviourRules } from '../behaviour-rules.ts';
import { uniqueOf, type CallSequence } from '../call-sequence.ts';
import type { CallLog, ChargedTokens } from '../call-log.ts';
import { tokensOfPlain } from '../charging.ts';
import { RefusedRequest } from '../provider.ts';
import type { CallContext, Failure } from '../provider.ts';
import type { Reading, RequestReader } from '../request-reader.ts';
import type { LineCall, LineResult, SimulatedBatch } from './simulated-batch.ts';

export type LineAnswererOptions = {
  log: CallLog;
  rules: BehaviourRules;
  models: readonly string[];
  reader: RequestReader;
  sequence: CallSequence;
};

type ReadLine = { call: LineCall; body: Buffer; bodySha256: string; reading: Reading };
type Outcome =
  | { failure: Failure; answer: null; tokens: ChargedTokens }
  | { failure: null; answer: Answer | null; tokens: ChargedTokens };

const notServed = (path: string): Failure => ({
  status: 404,
  type: 'invalid_request_error',
  message: `Invalid URL (POST ${path})`,
});
const NO_STREAM: Failure = {
  status: 400,
  type: 'invalid_request_error',
  message: 'Streaming is not supported in a batch.',
  param: 'stream',
};

/** Answers the lines of batches as the calls they stand for would be answered. */
export class LineAnswerer {
  readonly #options: LineAnswererOptions;

  constructor(options: LineAnswererOptions) {
    this.#options = options;
  }

  /** Answers the next open line, charges it and writes it down. */
  answerNext(batch: SimulatedBatch): void {
    const index = batch.nextOpen();
    if (index === null) return;
    const { provider, credential } = batch;
    const line = this.#read(batch, index);
    const { call, reading } = line;
    const behaviour = this.#behaviourOf(batch, index, line);
    const nowMs = Date.now();
    const sequence = this.#options.sequence.next();
    const context = contextOf(batch, line, sequence, nowMs);
    const { failure, tokens } = decide(batch, line, behaviour, context);
    const record = {
      sequence,
      startedAtMs: nowMs,
      endedAtMs: null,
      provider: provider.id,
      method: 'POST',
      path: call.path,
      credential,
      model: reading.model,
      stream: false,
      bodySha256: line.bodySha256,
      attemptId: null,
      requestId: context.requestId,
      status: failure?.status ?? 200,
      limitedBy: null,
      tokens,
      outcome: 'open' as const,
      batch: { id: batch.id, customId: call.customId },
    };
    this.#options.log.add(record);
    this.#options.log.decide(record, 'whole');
    batch.settle(failure === null ? 'succeeded' : 'failed', sequence, nowMs, tokens);
  }

  /** Takes back what was charged for answers that nobody can have. */
  discharge(batch: SimulatedBatch): void {
    for (const record of this.#options.log.calls) if (record.batch?.id === batch.id) record.tokens = {};
  }

  /** What the results say of a line. */
  resultOf(batch: SimulatedBatch, index: number): LineResult {
    const line = this.#read(batch, index);
    const state = batch.stateOf(index);
    const sequence = batch.sequenceOf(index);
    const context = contextOf(batch, line, sequence, batch.answeredAtMs(index));
    const { customId } = line.call;
    const named = { customId, unique: context.unique, requestId: context.requestId };
    if (state !== 'succeeded' && state !== 'failed') return { ...named, state };
    const behaviour = batch.behaviours.get(index) ?? {};
    const { failure, answer } = decide(batch, line, behaviour, context);
    if (failure !== null) {
      const body: unknown = JSON.parse(batch.provider.encodeFailure(failure, context));
      return { ...named, state: 'failed', status: failure.status, body };
    }
    const body: unknown = JSON.parse(this.#encode(line, answer, behaviour, context));
    return { ...named, state: 'succeeded', status: 200, body };
  }

  #read(batch: SimulatedBatch, index: number): ReadLine {
    const { provider } = batch;
    const call = batch.format.readLine(batch.lines.text(index), batch);
    const body = Buffer.from(call.body);
    const bodySha256 = hash('sha256', body, 'hex');
    const headers = { 'content-type': 'application/json', ...call.headers };
    const route = provider.routeOf({ method: 'POST', path: call.path, query: '', headers });
    if (route === null || 'handle' in route.endpoint) {
      const reading = { model: null, stream: false, accepted: null, refused: notServed(call.path) };
      return { call, body, bodySha256, reading };
    }
    const { endpoint, model = null, variant = '' } = route;
    const address = { model, variant, headers };
    const reading = this.#options.reader.read({
      provider,
      endpoint,
      address,
      path: call.path,
      body,
      bodySha256,
    });
    return { call, body, bodySha256, reading };
  }

  /** Asked for by the model's name or by a rule; remembered, as the results are written later. */
  #behaviourOf(batch: SimulatedBatch, index: number, { call, reading }: ReadLine): Behaviour {
    const { rules } = this.#options;
    const ofModel = reading.model === null ? {} : behaviourOfModel(reading.model);
    const behaviour =
      rules.count === 0
        ? ofModel
        : rules.apply(
            {
              provider: batch.provider.id,
              operation: 'batch_line',
              model: reading.model,
              key: batch.credential,
              customId: call.customId,
            },
            ofModel,
          );
    if (Object.keys(behaviour).length > 0) batch.behaviours.set(index, behaviour);
    return behaviour;
  }

  #encode({ reading }: ReadLine, answer: Answer | null, behaviour: Behaviour, context: CallContext): string {
    const { accepted } = reading;
    if (accepted?.kind === 'inference' && answer !== null)
      return accepted.endpoint.encodeAnswer({ request: accepted.request, answer, behaviour, context });
    if (accepted?.kind !== 'plain') throw new Error('a line without an answer was taken for answered');
    return accepted.request.encode({ context, behaviour, models: this.#options.models });
  }
}

const contextOf = (
  { provider }: SimulatedBatch,
  { bodySha256 }: ReadLine,
  sequence: number,
  nowMs: number,
): CallContext => {
  const unique = uniqueOf(bodySha256, sequence);
  return {
    seed: Number.parseInt(bodySha256.slice(0, 8), 16),
    unique,
    requestId: provider.newRequestId(unique),
    nowMs,
    limits: null,
  };
};

/** The same for the same arguments, so that what was charged is what is shown. */
const decide = (
  { provider }: SimulatedBatch,
  { reading }: ReadLine,
  behaviour: Behaviour,
  { seed }: CallContext,
): Outcome => {
  const failed = (failure: Failure): Outcome => ({ failure, answer: null, tokens: {} });
  const { accepted, refused } = reading;
  if (accepted === null)
    return failed(refused ?? { status: 400, type: 'invalid_request_error', message: 'Not read.' });
  if (accepted.kind === 'inference' && accepted.request.stream) return failed(NO_STREAM);
  if (behaviour.status !== undefined)
    return failed(provider.failureOf({ ...behaviour, status: behaviour.status }, reading.model ?? ''));
  if (accepted.kind === 'plain')
    return { failure: null, answer: null, tokens: tokensOfPlain(accepted.request) };
  const answer = composeAnswer(accepted.request.conversation, seed, behaviour);
  return { failure: null, answer, tokens: answer.tokens };
};

/** Refuses as the provider does. */
export const refuse = (failure: Failure): never => {
  throw new RefusedRequest(failure);
};

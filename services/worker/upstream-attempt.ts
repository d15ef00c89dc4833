import type { AttemptOutcome } from '#contracts/attempt-event';
import type { AnswerHead } from '#contracts/attempt-line';
import type { AttemptId } from '#contracts/ids';
import type { RateLimitReading } from '#contracts/rate-limit-reading';
import { UNKNOWN_USAGE } from '#contracts/usage';
import type { StreamFraming } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import type { Clock, ProviderCredential } from '#domain/ports';
import type { UpstreamAnswer, UpstreamClient } from '#http/upstream-client';
import type { AnswerFacts } from '#providers/provider';
import { faultPoint } from '#runtime/fault-point';
import { StreamPieces } from '#runtime/stream-pieces';
import type { TranslatedPiece, Translation } from '#runtime/translation';
import { abortError } from './attempt-limits.ts';
import type { CoalescingWriter } from './coalescing-writer.ts';
import { readUpTo } from './read-up-to.ts';
import { ReadingLimit } from './reading-limit.ts';

const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
const ERROR_BYTES_MAX = 64 * 1024;
/** What is read for nobody, where the provider charges for it anyway. */
const DRAIN_MS_MAX = 30_000;
const DRAIN_BYTES_MAX = 4 * 1024 * 1024;
/** Events before the first content (a role, a ping) are held back so that the request can still move on. */
const HELD_LENGTH_MAX = 1024 * 1024;

const CONTENT_TYPES: Readonly<Record<StreamFraming, string>> = {
  sse: 'text/event-stream; charset=utf-8',
  json_array: 'application/json; charset=utf-8',
};

const NO_FACTS: AnswerFacts = { id: null, model: null, finishReason: null, usage: UNKNOWN_USAGE };

export type UpstreamAttemptInput = {
  attemptId: AttemptId;
  translation: Translation;
  credential: ProviderCredential;
  stream: boolean;
  streamFraming: StreamFraming;
  firstByteBudgetMs: number;
  /** Longest silence between two pieces of the answer. */
  idleMs: number;
  /** Its reason is a `FloError`. */
  signal: AbortSignal;
  upstream: UpstreamClient;
  clock: Clock;
  /** For a stream: told once, before the first content. */
  onHead: (answer: Pick<AnswerHead, 'status' | 'contentType' | 'upstreamRequestId'>) => void;
  writer: CoalescingWriter;
};

/** What came of a call. `answer` is a whole answer not sent yet; a stream has gone to the writer. */
export type UpstreamAttemptResult = {
  outcome: AttemptOutcome;
  error: FloError | null;
  answer: { status: number; contentType: string; body: Uint8Array } | null;
  /** Whether something has reached the client, so that nobody else may answer. */
  committed: boolean;
  facts: AnswerFacts;
  /** What the answer's headers say of the account's limits. */
  readings: RateLimitReading[];
  upstreamStatus: number | null;
  upstreamRequestId: string | null;
  startedAtMs: number;
  firstByteAtMs: number | null;
  firstTokenAtMs: number | null;
  endedAtMs: number;
};

const outcomeOf = (error: FloError, committed: boolean): AttemptOutcome => {
  switch (error.code) {
    case 'cancelled':
      return 'cancelled';
    case 'timeout':
    case 'deadline_exceeded':
      return 'timed_out';
    case 'cut_stream':
    case 'unavailable':
      return 'cut';
    default:
      return committed ? 'cut' : 'failed';
  }
};

const headerText = (value: string | string[] | undefined): string =>
  (Array.isArray(value) ? value[0] : value) ?? '';

const malformed = (what: string): FloError =>
  new FloError('malformed_answer', `The provider's answer cannot be read: ${what}.`);

/** One call to a provider, from its first byte out to its last byte in. Never rejects. */
export class UpstreamAttempt {
  readonly #input: UpstreamAttemptInput;
  readonly #controller = new AbortController();
  readonly #startedAtMs: number;
  #firstByteTimer: NodeJS.Timeout | null = null;
  #facts: () => AnswerFacts = () => NO_FACTS;
  #readings: RateLimitReading[] = [];
  #upstreamStatus: number | null = null;
  #upstreamRequestId: string | null = null;
  #firstByteAtMs: number | null = null;
  #firstTokenAtMs: number | null = null;
  #committed = false;
  /** Why the attempt is read on for nobody: what it costs is wanted. */
  #drained: FloError | null = null;
  #drainedBytes = 0;
  #drainTimer: NodeJS.Timeout | null = null;
  readonly #reading: ReadingLimit;

  constructor(input: UpstreamAttemptInput) {
    this.#input = input;
    this.#startedAtMs = input.clock.nowMs();
    this.#reading = new ReadingLimit(input.idleMs, () => this.#controller.abort(abortError('idle_timeout')));
  }

  async run(): Promise<UpstreamAttemptResult> {
    const { signal, writer, firstByteBudgetMs } = this.#input;
    const onAbort = (): void => this.#endFromOutside(signal.reason);
    if (signal.aborted) this.#controller.abort(signal.reason);
    else signal.addEventListener('abort', onAbort, { once: true });
    this.#firstByteTimer = setTimeout(
      () => this.#controller.abort(abortError('first_byte_timeout')),
      firstByteBudgetMs,
    );
    try {
      const answer = await this.#call();
      return this.#drained === null ? this.#result(null, answer) : this.#result(this.#drained, null);
    } catch (thrown) {
      const error = this.#drained ?? this.#describe(thrown);
      // What was read in good order before an answer broke off is the client's.
      if (this.#committed && error.code !== 'cancelled') writer.flush();
      return this.#result(error, null);
    } finally {
      this.#began();
      this.#reading.stop();
      if (this.#drainTimer !== null) clearTimeout(this.#drainTimer);
      signal.removeEventListener('abort', onAbort);
      writer.close();
    }
  }

  async #call(): Promise<UpstreamAttemptResult['answer']> {
    const { translation, credential, attemptId, upstream, stream, clock } = this.#input;
    const { provider, call } = translation;
    const answer = await upstream.send({
      method: 'POST',
      url: provider.baseUrl + call.path,
      headers: { ...call.headers, ...provider.authorize(credential.secret), 'x-flo2-attempt-id': attemptId },
      body: call.body,
      signal: this.#controller.signal,
    });
    faultPoint('worker.headers');
    this.#firstByteAtMs = clock.nowMs();
    this.#upstreamStatus = answer.status;
    this.#upstreamRequestId = provider.readRequestId(answer.headers);
    this.#readings = provider.readRateLimits(answer.headers, clock.nowMs());
    if (answer.status < 200 || answer.status > 299) {
      const { bytes } = await readUpTo(this.#watched(answer.body), ERROR_BYTES_MAX);
      throw provider.decodeError({
        status: answer.status,
        headers: answer.headers,
        body: bytes,
        nowMs: clock.nowMs(),
      });
    }
    return stream ? this.#relayStream(answer) : this.#readAnswer(answer);
  }

  async #readAnswer(answer: UpstreamAnswer): Promise<UpstreamAttemptResult['answer']> {
    const { bytes, whole } = await readUpTo(this.#watched(answer.body), ANSWER_BYTES_MAX, () =>
      this.#began(),
    );
    if (!whole) throw malformed(`it is over ${ANSWER_BYTES_MAX} bytes`);
    const { body, facts } = this.#input.translation.translateAnswer(bytes);
    this.#facts = () => facts;
    return { status: answer.status, contentType: 'application/json', body };
  }

  async #relayStream(answer: UpstreamAnswer): Promise<null> {
    const { translation, writer } = this.#input;
    if (!headerText(answer.headers['content-type']).includes('text/event-stream')) {
      await answer.body.discard();
      throw malformed('a stream was asked for and something else came');
    }
    const stream = translation.openStream();
    this.#facts = stream.facts;
    const held = new StreamPieces();
    let ended = false;

    const relay = async ({ piece, content, end }: TranslatedPiece): Promise<void> => {
      ended ||= end;
      if (content && this.#firstTokenAtMs === null) this.#firstTokenAtMs = this.#input.clock.nowMs();
      if (this.#committed) {
        faultPoint('worker.streaming');
        return writer.write(piece, this.#controller.signal);
      }
      held.add(piece);
      if (held.length > HELD_LENGTH_MAX) throw malformed('it says nothing, at length');
      if (!content && !end) return;
      this.#commit(answer);
      await writer.write(held.take(), this.#controller.signal);
    };
    const relayAll = async (pieces: Iterable<TranslatedPiece>): Promise<void> => {
      for (const piece of pieces) await relay(piece);
    };

    try {
      for await (const chunk of this.#watched(answer.body)) await relayAll(stream.read(chunk));
      await relayAll(stream.finish());
    } catch (error) {
      // What breaks after the provider's own end of the stream breaks nothing.
      if (!ended) throw error;
    }
    if (!ended) throw new FloError('cut_stream', "The provider's answer broke off before its end.");
    writer.flush();
    faultPoint('worker.last_token');
    return null;
  }

  /** The answer's pieces, each of which has to come in time; while the client is waited for, time stands. */
  async *#watched(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.#reading.begin();
    for await (const chunk of body) {
      this.#reading.pause();
      if (this.#drained !== null) this.#countDrained(chunk.length);
      yield chunk;
      this.#reading.begin();
    }
    this.#reading.stop();
  }

  /**
   * The call is broken off, down to its connection; unless nobody wants the answer and the provider charges
   * for all of it anyway: then it is read on, within bounds, for what it says that it cost.
   */
  #endFromOutside(reason: unknown): void {
    const { chargesAfterCancel } = this.#input.translation.provider;
    const mayDrain = reason instanceof FloError && reason.code === 'cancelled' && chargesAfterCancel;
    if (!mayDrain) return this.#controller.abort(reason);
    this.#drained = reason;
    this.#drainTimer = setTimeout(() => this.#controller.abort(reason), DRAIN_MS_MAX);
    this.#input.writer.abandon();
  }

  #countDrained(bytes: number): void {
    this.#drainedBytes += bytes;
    if (this.#drainedBytes > DRAIN_BYTES_MAX) this.#controller.abort(this.#drained);
  }

  #commit(answer: UpstreamAnswer): void {
    this.#began();
    this.#committed = true;
    this.#input.onHead({
      status: answer.status,
      contentType: CONTENT_TYPES[this.#input.streamFraming],
      upstreamRequestId: this.#upstreamRequestId,
    });
  }

  /** The first-byte limit is met. */
  #began(): void {
    if (this.#firstByteTimer !== null) clearTimeout(this.#firstByteTimer);
    this.#firstByteTimer = null;
  }

  #describe(thrown: unknown): FloError {
    const { signal } = this.#controller;
    if (signal.aborted && signal.reason instanceof FloError) return signal.reason;
    if (thrown instanceof FloError) return thrown;
    if (thrown instanceof TypeError || thrown instanceof RangeError) {
      return new FloError('internal', 'flo2 failed to relay the answer.', { cause: thrown });
    }
    return new FloError('cut_stream', "The provider's answer broke off before its end.", { cause: thrown });
  }

  #result(error: FloError | null, answer: UpstreamAttemptResult['answer']): UpstreamAttemptResult {
    return {
      outcome: error === null ? 'succeeded' : outcomeOf(error, this.#committed),
      error,
      answer,
      committed: this.#committed,
      facts: this.#facts(),
      readings: this.#readings,
      upstreamStatus: this.#upstreamStatus,
      upstreamRequestId: this.#upstreamRequestId,
      startedAtMs: this.#startedAtMs,
      firstByteAtMs: this.#firstByteAtMs,
      firstTokenAtMs: this.#firstTokenAtMs,
      endedAtMs: this.#input.clock.nowMs(),
    };
  }
}

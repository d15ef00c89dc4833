import { tenantId, type TenantId } from '#contracts/ids';
import type { ReceivedEvent } from '#domain/ports';
import { encodeIdTime } from '#domain/id-time';
import { seededMint, seededRandom } from '#test/support/attempt-events';

const TEAMS = 20;
const FEATURES = 5;
const USERS = 5_000;
const MODELS = [
  { provider: 'openai', model: 'gpt-4o-mini' },
  { provider: 'openai', model: 'gpt-4.1-mini' },
  { provider: 'openai', model: 'gpt-5' },
  { provider: 'anthropic', model: 'claude-haiku-4-5' },
  { provider: 'anthropic', model: 'claude-sonnet-4-5' },
] as const;

/** Every so-manyth event of all, from the first one on that has this index. */
export type EventPart = { index: number; of: number };

/** Messages of the event stream as workers publish them, in the order of their time. */
export class EventText {
  readonly #events: number;
  readonly #fromMs: number;
  readonly #stepMs: number;
  readonly #every: number;
  readonly #random: () => number;
  readonly #tenants: string[];
  readonly #keys: string[];
  readonly #apiKeys: string[];
  #sequence: number;

  constructor(options: { events: number; fromMs: number; stepMs: number; part?: EventPart }) {
    const { events, fromMs, stepMs, part = { index: 0, of: 1 } } = options;
    this.#events = events;
    this.#sequence = part.index;
    this.#every = part.of;
    this.#random = seededRandom(11 + part.index);
    this.#fromMs = fromMs;
    this.#stepMs = stepMs;
    const mint = seededMint(12, fromMs);
    this.#tenants = [mint.mint('ten'), mint.mint('ten'), mint.mint('ten')];
    const startTime = encodeIdTime(fromMs);
    this.#apiKeys = Array.from(
      { length: TEAMS },
      (_, team) => `akey_${startTime}${String(team).padStart(16, '0')}`,
    );
    this.#keys = MODELS.map(() => mint.mint('pkey'));
  }

  /** One of its tenants. */
  get tenantId(): TenantId {
    return tenantId.parse(this.#tenants[0]);
  }

  #pick(count: number): number {
    return Math.floor(this.#random() * count);
  }

  /** Unique by the sequence, so that it need not be drawn; hexadecimal digits are ones of ids too. */
  #id(prefix: string, idTime: string): string {
    return `${prefix}_${idTime}${this.#sequence.toString(16).padStart(16, '0')}`;
  }

  #next(): ReceivedEvent {
    const atMs = Math.floor(this.#fromMs + this.#sequence * this.#stepMs);
    this.#sequence += this.#every;
    const idTime = encodeIdTime(atMs);
    const index = this.#pick(MODELS.length);
    const { provider, model } = MODELS[index] ?? MODELS[0];
    const team = this.#pick(TEAMS);
    const input = 200 + this.#pick(3_000);
    const cached = this.#pick(500);
    const output = 1 + this.#pick(800);
    const key = this.#keys[index];
    const raw =
      provider === 'openai'
        ? `{"prompt_tokens":${input + cached},"completion_tokens":${output},"total_tokens":${input + cached + output},"prompt_tokens_details":{"cached_tokens":${cached},"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}`
        : `{"input_tokens":${input},"cache_read_input_tokens":${cached},"cache_creation_input_tokens":0,"output_tokens":${output},"service_tier":"standard"}`;
    const text = `{"version":1,"attemptId":"${this.#id('att', idTime)}","revision":1,"requestId":"${this.#id('req', idTime)}","tenantId":"${this.#tenants[team % 3]}","apiKeyId":"${this.#apiKeys[team]}","providerKeyId":"${key}","provider":"${provider}","model":"${model}","servedModel":"${model}","requestedModel":"${provider}/${model}","route":null,"lane":"interactive","surface":"openai-chat","stream":true,"attribution":{"team":"team-${team}","feature":"feature-${this.#pick(FEATURES)}","user":"user-${this.#pick(USERS)}","tags":{"env":"prod","release":"2026.10"}},"attemptNumber":1,"step":0,"outcome":"succeeded","errorCode":null,"upstreamStatus":200,"upstreamRequestId":"req_0123456789abcdef0123456789abcdef","providerResponseId":"chatcmpl-${this.#sequence}","finishReason":"stop","startedAtMs":${atMs},"queueMs":2,"firstByteMs":${200 + this.#pick(400)},"firstTokenMs":${250 + this.#pick(400)},"durationMs":${900 + this.#pick(4_000)},"usage":{"source":"provider","tokens":{"input":${input},"cache_read":${cached},"output":${output}},"reasoning":0,"raw":${raw}}}`;
    return {
      bytes: Buffer.from(text, 'latin1'),
      stream: 'EVT@bench',
      streamSequence: BigInt(this.#sequence),
      deliveryCount: 1,
      ack: () => undefined,
      retryLater: () => undefined,
    };
  }

  /** The next ones, fewer at the end and none after it. */
  take(count: number): ReceivedEvent[] {
    const left = Math.ceil((this.#events - this.#sequence) / this.#every);
    const size = Math.max(0, Math.min(count, left));
    return Array.from({ length: size }, () => this.#next());
  }
}

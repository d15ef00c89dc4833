/** What the clients saw: one record for each request, kept by the harness and never by flo2. */
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { TestTenant } from '#test/support/tenant';

/** A tenant of one seed; its tag is part of every canary of its requests. */
export type TaggedTenant = TestTenant & { tag: string };

/**
 * How a request ended for its client. `answered`: whole, and word for word what was asked for. `wrong`:
 * whole, and something else. `unknown`: `outcome_unknown`. `refused`: 429 or 503. `failed`: another error
 * in the dialect. `broken`: the connection ended without any of these. `left`: the client went away
 * itself. `hung`: nothing of all this in time.
 */
export type Ending = 'answered' | 'wrong' | 'unknown' | 'refused' | 'failed' | 'broken' | 'left' | 'hung';

export type RequestRecord = {
  tenant: TaggedTenant;
  canary: string;
  /** Sent to a process that the scenario kills: a broken connection is then no fault of flo2. */
  viaVictim: boolean;
  ending: Ending;
  status: number | null;
  requestId: string | null;
  /** The catalogue's code, where the dialect carries it. */
  code: string | null;
  /** Canaries of other requests in what came. */
  foreign: number;
  /** Ends of the answer: a whole body, an error event, `[DONE]`. More than one is one too many. */
  endings: number;
  startedAtMs: number;
  firstByteAtMs: number | null;
  endedAtMs: number;
  retryAfter: string | null;
  bytes: number;
  connectionHeader: string | null;
};

export type SendOptions = {
  /** Of an ingress. */
  url: string;
  tenant: TaggedTenant;
  model: string;
  stream?: boolean;
  /** Words behind the canary, so that a stream has so many events. @default 8 */
  words?: number;
  headers?: Record<string, string>;
  viaVictim?: boolean;
  /** Goes away once so many bytes have come. */
  leaveAfterBytes?: number;
  /** Goes away so long after sending. */
  leaveAfterMs?: number;
  /** @default 40_000 */
  patienceMs?: number;
  agent?: Agent;
  /** Instead of a canary of its own, so that a request can be sent again as it was. */
  canary?: string;
};

const CANARY = /canary-[a-z0-9]+-\d+-end/g;
let sequence = 0;

/** The first canary in what was sent to a provider; empty where there is none. */
export const canaryIn = (text: string | null | undefined): string => (text ?? '').match(CANARY)?.[0] ?? '';

export const mintCanary = (tenant: TaggedTenant): string => {
  sequence += 1;
  return `canary-${tenant.tag}-${sequence}-end`;
};

/** Some of more than one byte a character, so that what splits or mends them is seen. */
const WORDS = ['plain', 'größer', '漢字', '🙂👍🏽', 'e\u0301'];

const pooled = new Agent({ keepAlive: true, maxSockets: 512 });

const wordsOf = (canary: string, count: number): string =>
  [canary, ...Array.from({ length: count }, (_, index) => WORDS[index % WORDS.length])].join(' ');

type ErrorBody = { error?: { code?: unknown; type?: unknown; message?: unknown } };

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const codeOf = (body: unknown): string | null => {
  const error = (body as ErrorBody | undefined)?.error;
  if (error === undefined || error === null) return null;
  return typeof error.code === 'string' ? error.code : String(error.type ?? 'error');
};

type Read = { text: string | null; code: string | null; endings: number };

/** OpenAI's chat dialect, whole or as a stream, read without any of flo2's own code. */
const readAnswer = (raw: string, isStream: boolean): Read => {
  if (!isStream) {
    const body = parse(raw);
    const code = codeOf(body);
    const content = (body as { choices?: { message?: { content?: unknown } }[] } | undefined)?.choices?.[0]
      ?.message?.content;
    return { text: typeof content === 'string' ? content : null, code, endings: body === undefined ? 0 : 1 };
  }
  let text = '';
  let code: string | null = null;
  let endings = 0;
  for (const line of raw.split('\n')) {
    if (!line.startsWith('data: ')) continue;
    const data = line.slice('data: '.length);
    if (data === '[DONE]') {
      endings += 1;
      continue;
    }
    const event = parse(data);
    const failed = codeOf(event);
    if (failed !== null) {
      code = failed;
      endings += 1;
      continue;
    }
    const delta = (event as { choices?: { delta?: { content?: unknown } }[] } | undefined)?.choices?.[0]
      ?.delta?.content;
    if (typeof delta === 'string') text += delta;
  }
  return { text: endings > 0 && code === null ? text : null, code, endings };
};

const classify = (status: number, read: Read, wanted: string, wasComplete: boolean): Ending => {
  if (read.code === 'outcome_unknown') return 'unknown';
  if (read.code !== null) return status === 429 || status === 503 ? 'refused' : 'failed';
  if (!wasComplete || read.endings === 0) return 'broken';
  return read.text === wanted ? 'answered' : 'wrong';
};

/** Sends one request and resolves with what came of it; never rejects. */
export const send = (options: SendOptions): Promise<RequestRecord> => {
  const { tenant, stream = false, viaVictim = false, words = 8 } = options;
  const canary = options.canary ?? mintCanary(tenant);
  const wanted = wordsOf(canary, words);
  const startedAtMs = Date.now();
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let answer: IncomingMessage | null = null;
    let firstByteAtMs: number | null = null;
    let isOver = false;
    const finish = (forced: Ending | null, wasComplete: boolean): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(patience);
      clearTimeout(leaving);
      const raw = Buffer.concat(chunks).toString('utf8');
      const status = answer?.statusCode ?? null;
      const isEventStream = String(answer?.headers['content-type']).includes('text/event-stream');
      const read = readAnswer(raw, isEventStream);
      const ending = forced ?? (status === null ? 'broken' : classify(status, read, wanted, wasComplete));
      const single = (name: string): string | null => {
        const value = answer?.headers[name];
        return typeof value === 'string' ? value : null;
      };
      resolve({
        tenant,
        canary,
        viaVictim,
        ending,
        status,
        requestId: single('x-flo2-request-id'),
        code: read.code,
        foreign: (raw.match(CANARY) ?? []).filter((found) => found !== canary).length,
        endings: read.endings,
        startedAtMs,
        firstByteAtMs,
        endedAtMs: Date.now(),
        retryAfter: single('retry-after'),
        bytes,
        connectionHeader: single('connection'),
      });
    };
    const call = httpRequest(
      `${options.url}/v1/chat/completions`,
      {
        method: 'POST',
        agent: options.agent ?? pooled,
        headers: {
          authorization: `Bearer ${tenant.apiKey}`,
          'content-type': 'application/json',
          ...options.headers,
        },
      },
      (response) => {
        answer = response;
        response.on('data', (chunk: Buffer) => {
          firstByteAtMs ??= Date.now();
          bytes += chunk.length;
          chunks.push(chunk);
          if (options.leaveAfterBytes !== undefined && bytes >= options.leaveAfterBytes) {
            finish('left', false);
            call.destroy();
          }
        });
        response.on('end', () => finish(null, response.complete));
        response.on('error', () => finish(null, false));
        response.on('close', () => finish(null, response.complete));
      },
    );
    const patience = setTimeout(() => {
      finish('hung', false);
      call.destroy();
    }, options.patienceMs ?? 40_000);
    const leaving =
      options.leaveAfterMs === undefined
        ? undefined
        : setTimeout(() => {
            finish('left', false);
            call.destroy();
          }, options.leaveAfterMs);
    call.on('error', () => finish(null, false));
    call.end(
      JSON.stringify({
        model: options.model,
        stream,
        messages: [{ role: 'user', content: `echo: ${wanted}` }],
      }),
    );
  });
};

/** Sends what `next` gives, `atOnce` at a time, until it gives null. */
export const sendAll = async (
  atOnce: number,
  next: () => SendOptions | null,
  onEnded: (record: RequestRecord) => void = () => undefined,
): Promise<RequestRecord[]> => {
  const records: RequestRecord[] = [];
  const lane = async (): Promise<void> => {
    for (let options = next(); options !== null; options = next()) {
      const record = await send(options);
      records.push(record);
      onEnded(record);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return records;
};

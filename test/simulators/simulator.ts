import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { simulatedAnthropic } from './anthropic/anthropic.ts';
import { batchControl } from './batches/batch-control.ts';
import { BatchRoom } from './batches/batch-room.ts';
import { BehaviourRules, behaviourRule } from './behaviour-rules.ts';
import type { BehaviourRule } from './behaviour-rules.ts';
import { CallHandler } from './call-handler.ts';
import { CallLog } from './call-log.ts';
import { CallSequence } from './call-sequence.ts';
import { simulatedAzure } from './compatible/azure.ts';
import { COMPATIBLE_SERVERS } from './compatible/servers.ts';
import { simulatedGoogle } from './google/google.ts';
import { simulatedGroq } from './groq/groq.ts';
import { simulatedMistral } from './mistral/mistral.ts';
import { simulatedOpenai } from './openai/openai.ts';
import { simulatedOpenrouter } from './openrouter/openrouter.ts';
import type { SimulatedProvider } from './provider.ts';
import { RateLimiter, rateLimitRule } from './rate-limits.ts';
import type { RateLimitRule, RateLimits } from './rate-limits.ts';
import { RequestReader } from './request-reader.ts';

/** Asked in this order: Anthropic tells its listing of models by a header OpenAI's lacks. */
const PROVIDERS: readonly SimulatedProvider[] = [
  simulatedAnthropic,
  simulatedOpenai,
  simulatedGoogle,
  simulatedMistral,
  simulatedGroq,
  simulatedOpenrouter,
  simulatedAzure,
  ...COMPATIBLE_SERVERS,
];

const DEFAULT_MODELS = [
  'gpt-4o',
  'gpt-4o-mini',
  'gpt-4.1-nano',
  'gpt-5-nano',
  'text-embedding-3-small',
  'claude-haiku-4-5',
  'claude-sonnet-4-5',
  'claude-opus-4-1',
  'gemini-2.5-flash',
  'gemini-2.5-flash-lite',
  'gemini-3-flash-preview',
  'gemini-embedding-001',
  'mistral-small-latest',
  'mistral-embed',
  'llama-3.3-70b-versatile',
  'openai/gpt-oss-120b',
  'anthropic/claude-sonnet-4.5',
  'openai/gpt-4o-mini',
  'deepseek-chat',
  'deepseek-reasoner',
  'grok-4-fast-reasoning',
  'meta-llama/Llama-3.3-70B-Instruct',
  'llama3.2',
];

export type SimulatorOptions = {
  host?: string;
  /** 0, the default, takes a free one. */
  port?: number;
  /** False keeps no log at all. */
  log?: boolean;
  /** Also appends the log to this file as NDJSON. */
  logFile?: string;
  /** Calls kept in memory; the oldest go first. */
  logLimit?: number;
  /** Keeps each request's body in its log record. */
  keepBodies?: boolean;
  /** The only keys taken; without it, all that begin as the provider's do and do not contain `invalid`. */
  acceptedKeys?: readonly string[];
  /** What `GET /v1/models` lists; other models are served too. */
  models?: readonly string[];
  maxBodyBytes?: number;
  /** Enforced for each credential, with honest 429s and headers; without it, nothing is limited. */
  limits?: RateLimits;
};

export type Simulator = {
  /** Without a path: an OpenAI base URL is `${url}/v1`, an Anthropic one is `url` itself. */
  url: string;
  log: CallLog;
  setBehaviour: (rule: BehaviourRule) => void;
  clearBehaviours: () => void;
  /** Enforces limits from now on; the credentials it matches start afresh. */
  setLimits: (rule: RateLimitRule) => void;
  clearLimits: () => void;
  /** What was uploaded and asked for in batches, and the way to move on batches that are held. */
  batches: BatchRoom;
  /** Breaks open connections off. Closing twice is fine. */
  close: () => Promise<void>;
};

const sendJson = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
};

/** Calls `done` with the body, or with null where it is over the limit. */
const readBody = (
  request: IncomingMessage,
  limitBytes: number,
  done: (body: Buffer | null) => void,
): void => {
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limitBytes) chunks.push(chunk);
    else chunks.length = 0;
  });
  request.on('end', () => {
    const only = chunks.length === 1 ? chunks[0] : undefined;
    done(size > limitBytes ? null : (only ?? Buffer.concat(chunks)));
  });
};

/** Answers what `set` says, or what is wrong with the body. */
const setFromBody = (
  response: ServerResponse,
  body: Buffer | null,
  set: (value: unknown) => Record<string, unknown>,
): void => {
  try {
    sendJson(response, 200, set(JSON.parse((body ?? '').toString())));
  } catch (error) {
    const message = error instanceof z.ZodError ? z.prettifyError(error) : 'the body is no JSON';
    sendJson(response, 400, { error: message });
  }
};

const control = (
  request: IncomingMessage,
  response: ServerResponse,
  state: { log: CallLog; rules: BehaviourRules; limiter: RateLimiter; batches: BatchRoom },
): void => {
  const url = new URL(request.url ?? '/', 'http://simulator');
  const route = `${request.method} ${url.pathname}`;
  readBody(request, 1_000_000, (body) => {
    switch (route) {
      case 'PUT /__control':
        setFromBody(response, body, (rule) => {
          state.rules.add(behaviourRule.parse(rule));
          return { rules: state.rules.count };
        });
        return;
      case 'DELETE /__control':
        state.rules.clear();
        sendJson(response, 200, { rules: 0 });
        return;
      case 'PUT /__limits':
        setFromBody(response, body, (rule) => {
          state.limiter.add(rateLimitRule.parse(rule));
          return { limited: true };
        });
        return;
      case 'DELETE /__limits':
        state.limiter.clear();
        sendJson(response, 200, { limited: false });
        return;
      case 'GET /__log':
        sendJson(response, 200, { calls: state.log.after(Number(url.searchParams.get('after') ?? 0)) });
        return;
      case 'DELETE /__log':
        state.log.clear();
        sendJson(response, 200, { calls: [] });
        return;
      case 'GET /__batches':
        sendJson(response, 200, { batches: batchControl.list(state.batches) });
        return;
      case 'POST /__batches':
        setFromBody(response, body, (command) => batchControl.obey(state.batches, command));
        return;
      default:
        sendJson(response, 404, {
          error:
            'PUT or DELETE /__control, PUT or DELETE /__limits, GET /__log?after=n, DELETE /__log, GET or POST /__batches',
        });
    }
  });
};

/** Starts every simulated provider on one address. Throws where the port is taken. */
export const startSimulator = async (options: SimulatorOptions = {}): Promise<Simulator> => {
  const host = options.host ?? '127.0.0.1';
  const maxBodyBytes = options.maxBodyBytes ?? 32 * 1024 * 1024;
  const log = new CallLog({
    enabled: options.log ?? true,
    file: options.logFile ?? null,
    limit: options.logLimit ?? 100_000,
  });
  const rules = new BehaviourRules();
  const limiter = new RateLimiter();
  if (options.limits !== undefined) limiter.add({ limits: options.limits });
  const models = options.models ?? DEFAULT_MODELS;
  const reader = new RequestReader();
  const sequence = new CallSequence();
  const batches = new BatchRoom({ log, rules, models, reader, sequence });
  const handler = new CallHandler({
    log,
    rules,
    limiter,
    batches,
    reader,
    sequence,
    models,
    acceptedKeys: options.acceptedKeys === undefined ? null : new Set(options.acceptedKeys),
    keepBodies: options.keepBodies ?? false,
  });
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    if (path.startsWith('/__')) return control(request, response, { log, rules, limiter, batches });
    const query = (request.url ?? '').slice(path.length + 1);
    const call = { method: request.method ?? '', path, query, headers: request.headers };
    for (const provider of PROVIDERS) {
      const route = provider.routeOf(call);
      if (route === null) continue;
      const { endpoint, model = null, variant = '', id = '' } = route;
      const address = { model, variant, headers: request.headers };
      const limitBytes = 'handle' in endpoint ? (endpoint.bodyBytesMax ?? maxBodyBytes) : maxBodyBytes;
      return readBody(request, limitBytes, (body) => {
        handler.handle({ provider, endpoint, address, request, response, path, query, id, body });
      });
    }
    request.resume();
    const message = `Invalid URL (${request.method} ${path})`;
    sendJson(response, 404, { error: { message, type: 'invalid_request_error', param: null, code: null } });
  });
  // Longer than any client pools a connection, so that this side never closes one just as it is reused.
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | null = null;
  return {
    url: `http://${host}:${port}`,
    log,
    setBehaviour: (rule) => rules.add(rule),
    clearBehaviours: () => rules.clear(),
    setLimits: (rule) => limiter.add(rule),
    clearLimits: () => limiter.clear(),
    batches,
    close: () => {
      batches.close();
      closing ??= new Promise((resolve) => {
        server.close(() => {
          log.close();
          resolve();
        });
        server.closeAllConnections();
      });
      return closing;
    },
  };
};

/** An address nobody listens on: a port that was free a moment ago. */
export const refusedUrl = async (): Promise<string> => {
  const simulator = await startSimulator({ log: false });
  await simulator.close();
  return simulator.url;
};

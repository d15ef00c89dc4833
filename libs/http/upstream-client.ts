import { Agent, type Dispatcher } from 'undici';
import { FloError } from '#domain/errors';
import { assertPublicUrl, guardedLookup } from './address-guard.ts';
import { UpstreamExchange, type ExchangeHead } from './upstream-exchange.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

export type UpstreamAnswer = ExchangeHead & {
  /** Throws when the answer breaks off, or with the signal's reason. */
  body: AsyncIterable<Uint8Array> & {
    /** Reads what little is left so that the connection can be used again, or closes it. */
    discard: () => Promise<void>;
  };
};

export type UpstreamClient = {
  /**
   * One request, never repeated. Resolves with the headers. Rejects with `FloError`: `connection` where the
   * provider never got the request, `cut_stream` where it may have; with the signal's reason where it was
   * aborted.
   */
  send: (call: {
    method: 'GET' | 'POST' | 'DELETE';
    url: string;
    headers: Record<string, string>;
    body?: Uint8Array;
    signal: AbortSignal;
  }) => Promise<UpstreamAnswer>;
  close: () => Promise<void>;
};

/** Failures before a byte of the request could leave, in words. */
const NEVER_REACHED: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  EHOSTUNREACH: 'there is no way to its address',
  ENETUNREACH: 'there is no way to its address',
  ENOTFOUND: 'its address was not found',
  EAI_AGAIN: 'its address could not be looked up',
  UND_ERR_CONNECT_TIMEOUT: 'connecting took too long',
};

/** After the request may have left, the provider may have worked on it, and may charge for that. */
const describeFailure = (error: unknown): FloError => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const neverReached =
    NEVER_REACHED[code] ?? (/CERT|TLS|SSL/.test(code) ? 'its certificate was refused' : null);
  return neverReached === null
    ? new FloError('cut_stream', 'The provider closed the connection before it answered.', { cause: error })
    : new FloError('connection', `The provider could not be reached: ${neverReached}.`, { cause: error });
};

export const createUpstreamClient = (options: {
  allowPrivate: boolean;
  /** @default 10_000 */
  connectTimeoutMs?: number;
}): UpstreamClient => {
  const dispatcher: Dispatcher = new Agent({
    connect: { timeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS, lookup: guardedLookup(options) },
    // How long an answer may take, and be silent, are the attempt's own limits.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
  return {
    send: async ({ method, url, headers, body, signal }) => {
      const target = new URL(url);
      assertPublicUrl(target, options);
      const exchange = new UpstreamExchange(signal);
      try {
        dispatcher.dispatch(
          {
            origin: target.origin,
            path: target.pathname + target.search,
            method,
            headers,
            body: body ?? null,
          },
          exchange,
        );
        return { ...(await exchange.head), body: exchange };
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (error instanceof FloError) throw error;
        throw describeFailure(error);
      }
    },
    close: () => dispatcher.close(),
  };
};

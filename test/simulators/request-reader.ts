import type { IncomingHttpHeaders } from 'node:http';
import { RefusedRequest } from './provider.ts';
import type { AcceptedRequest, Failure, SimulatedProvider } from './provider.ts';

/** Bodies this small are remembered, so many at most: a load test sends the same few over and over. */
const REMEMBERED_BODY_BYTES = 8192;
const REMEMBERED_BODIES = 512;

const textField = (body: unknown, name: string): string | null => {
  const value: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, name) : null;
  return typeof value === 'string' ? value : null;
};

/** What a body says; it says the same each time. */
export type Reading = {
  model: string | null;
  stream: boolean;
  accepted: AcceptedRequest | null;
  refused: Failure | null;
};

export const EMPTY_READING: Reading = { model: null, stream: false, accepted: null, refused: null };

const refusalBy = (step: () => void): Failure | null => {
  try {
    step();
    return null;
  } catch (error) {
    if (error instanceof RefusedRequest) return error.failure;
    throw error;
  }
};

const readBody = (provider: SimulatedProvider, body: Buffer, version: string): Reading => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString());
  } catch {
    parsed = undefined;
  }
  const reading: Reading = {
    ...EMPTY_READING,
    model: textField(parsed, 'model'),
    stream: typeof parsed === 'object' && parsed !== null && Reflect.get(parsed, 'stream') === true,
  };
  reading.refused = refusalBy(() => {
    reading.accepted = provider.readRequest(parsed, version);
  });
  return reading;
};

type ArrivedRequest = {
  provider: SimulatedProvider;
  headers: IncomingHttpHeaders;
  body: Buffer;
  bodySha256: string;
};

/** Reads requests, and small ones but once. */
export class RequestReader {
  readonly #readings = new Map<string, Reading>();

  read({ provider, headers, body, bodySha256 }: ArrivedRequest): Reading {
    let version = '';
    const refused = refusalBy(() => {
      version = provider.readVersion(headers);
    });
    if (refused !== null) return { ...readBody(provider, body, version), refused };
    const key = `${provider.id} ${version} ${bodySha256}`;
    const known = this.#readings.get(key);
    if (known !== undefined) return known;
    const reading = readBody(provider, body, version);
    if (this.#readings.size >= REMEMBERED_BODIES) this.#readings.clear();
    if (body.length <= REMEMBERED_BODY_BYTES) this.#readings.set(key, reading);
    return reading;
  }
}

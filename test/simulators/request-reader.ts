import { RefusedRequest } from './provider.ts';
import type {
  AcceptedPlain,
  AcceptedRequest,
  Address,
  AnsweringEndpoint,
  Failure,
  InferenceEndpoint,
  PlainEndpoint,
} from './provider.ts';

/** Bodies this small are remembered, so many at most: a load test sends the same few over and over. */
const REMEMBERED_BODY_BYTES = 8192;
const REMEMBERED_BODIES = 512;

const textField = (body: unknown, name: string): string | null => {
  const value: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, name) : null;
  return typeof value === 'string' ? value : null;
};

export type Accepted =
  | { kind: 'inference'; endpoint: InferenceEndpoint; request: AcceptedRequest }
  | { kind: 'plain'; endpoint: PlainEndpoint; request: AcceptedPlain };

/** What a call says; it says the same each time. */
export type Reading = {
  model: string | null;
  stream: boolean;
  accepted: Accepted | null;
  refused: Failure | null;
};

const parseBody = (body: Buffer): unknown => {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
};

const accept = (endpoint: AnsweringEndpoint, parsed: unknown, address: Address): Accepted =>
  endpoint.operation === 'inference'
    ? { kind: 'inference', endpoint, request: endpoint.readRequest(parsed, address) }
    : { kind: 'plain', endpoint, request: endpoint.readRequest(parsed, address) };

const readBody = ({ endpoint, address, body }: ArrivedRequest): Reading => {
  const parsed = parseBody(body);
  const told: Reading = {
    model: address.model ?? textField(parsed, 'model'),
    stream: typeof parsed === 'object' && parsed !== null && Reflect.get(parsed, 'stream') === true,
    accepted: null,
    refused: null,
  };
  try {
    const accepted = accept(endpoint, parsed, address);
    return {
      ...told,
      model: accepted.request.model ?? told.model,
      stream: accepted.kind === 'inference' && accepted.request.stream,
      accepted,
    };
  } catch (error) {
    if (error instanceof RefusedRequest) return { ...told, refused: error.failure };
    throw error;
  }
};

type ArrivedRequest = {
  provider: { id: string };
  endpoint: AnsweringEndpoint;
  address: Address;
  path: string;
  body: Buffer;
  bodySha256: string;
};

/** Reads requests, and small ones but once. */
export class RequestReader {
  readonly #readings = new Map<string, Reading>();

  read(arrived: ArrivedRequest): Reading {
    const { provider, address, path, body, bodySha256 } = arrived;
    const key = `${provider.id} ${path} ${address.variant} ${bodySha256}`;
    const known = this.#readings.get(key);
    if (known !== undefined) return known;
    const reading = readBody(arrived);
    if (this.#readings.size >= REMEMBERED_BODIES) this.#readings.clear();
    if (body.length <= REMEMBERED_BODY_BYTES) this.#readings.set(key, reading);
    return reading;
  }
}

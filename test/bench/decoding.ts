/**
 * What reading a stream costs a worker beyond passing it on. Both ways take the same streams over the worker's
 * own HTTP client, from a server in a process of its own that sends an event a chunk, and write each on to a
 * socket. One looks at none of them; the other knows every event and the usage, as a worker does for a client of
 * the same dialect. What is compared is the processor's time in this process.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { PROVIDER_IDS, type SurfaceId } from '#contracts/vocabulary';
import { createUpstreamClient, type UpstreamClient } from '#http/upstream-client';
import { createPassingReader, type PassedPiece } from '#providers/passing-reader';
import type { ChatWire } from '#providers/provider';
import { providerOf } from '#providers/registry';

export type DecodingFigures = {
  dialect: SurfaceId;
  /** Processor time for one stream, of 400 tokens. */
  rawMs: number;
  decodedMs: number;
};

const ROUNDS = 7;
/** Enough that each way collects its own garbage several times a round, and seldom the other's. */
const STREAMS_PER_ROUND = 100;
const EVENT_BYTES_MAX = 4 * 1024 * 1024;

/** Passes a piece on. */
type Forward = (piece: Uint8Array) => void;
type Carry = (body: AsyncIterable<Uint8Array>, forward: Forward) => Promise<void>;

const carryRaw: Carry = async (body, forward) => {
  for await (const chunk of body) forward(chunk);
};

const carryDecoded =
  (wire: ChatWire): Carry =>
  async (body, forward) => {
    const reader = createPassingReader(wire, { usageInjected: false, maxEventBytes: EVENT_BYTES_MAX });
    const carry = (pieces: Iterable<PassedPiece>): void => {
      for (const { bytes, hidden } of pieces) if (!hidden && bytes.length > 0) forward(bytes);
    };
    for await (const chunk of body) carry(reader.read(chunk));
    carry(reader.finish());
    if (reader.facts().usage.source !== 'provider') throw new Error('a stream came without its usage');
  };

const processorMs = (since?: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1_000;
};

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;

type Way = { client: UpstreamClient; url: string; forward: Forward };

const measureRound = async ({ client, url, forward }: Way, carry: Carry): Promise<number> => {
  const { signal } = new AbortController();
  const since = process.cpuUsage();
  for (let count = 0; count < STREAMS_PER_ROUND; count += 1) {
    const { body } = await client.send({ method: 'POST', url, headers: {}, body: new Uint8Array(), signal });
    await carry(body, forward);
  }
  return processorMs(since) / STREAMS_PER_ROUND;
};

const DIALECTS: readonly SurfaceId[] = ['openai-chat', 'anthropic-messages', 'gemini-generate-content'];

const wireOf = (dialect: SurfaceId): ChatWire | null =>
  PROVIDER_IDS.flatMap((id) => providerOf(id).wires).find(
    (wire): wire is ChatWire => wire.operation === 'chat' && wire.surface === dialect,
  ) ?? null;

/** The two ways in turn, so that both see the same of whatever else the machine does. */
const compare = async (dialect: SurfaceId, wire: ChatWire, way: Way): Promise<DecodingFigures> => {
  const raw: number[] = [];
  const decoded: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    raw.push(await measureRound(way, carryRaw));
    decoded.push(await measureRound(way, carryDecoded(wire)));
  }
  return { dialect, rawMs: median(raw), decodedMs: median(decoded) };
};

export type StreamServer = { url: string; sinkPort: number };

/** For each dialect: passed on to a socket, an event at a time, and read alone. */
export const measureDecoding = async ({
  url,
  sinkPort,
}: StreamServer): Promise<{ passedOn: DecodingFigures; readAlone: DecodingFigures }[]> => {
  const client = createUpstreamClient({ allowPrivate: true });
  const socket = connect(sinkPort, '127.0.0.1');
  await once(socket, 'connect');
  const figures: { passedOn: DecodingFigures; readAlone: DecodingFigures }[] = [];
  try {
    for (const dialect of DIALECTS) {
      const wire = wireOf(dialect);
      if (wire === null) continue;
      const way = { client, url: `${url}/${dialect}` };
      const passedOn = await compare(dialect, wire, {
        ...way,
        forward: (piece) => void socket.write(piece),
      });
      const readAlone = await compare(dialect, wire, { ...way, forward: () => undefined });
      figures.push({ passedOn, readAlone });
    }
  } finally {
    socket.destroy();
    await client.close();
  }
  return figures;
};

import { z } from 'zod';
import type { RecordedAnswer } from './recording.ts';

const head = z.object({ status: z.int(), headers: z.record(z.string(), z.string()) });
const LENGTH_BYTES = 4;

/** Four bytes of the head's length (big endian), the head as JSON, the body as it was. */
export const encodeKeptAnswer = ({ status, headers, body }: RecordedAnswer): Uint8Array => {
  const json = Buffer.from(JSON.stringify({ status, headers }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json, body]);
};

/** Throws for bytes that it has not made. */
export const decodeKeptAnswer = (bytes: Uint8Array): RecordedAnswer => {
  const bodyStart = LENGTH_BYTES + new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getUint32(0);
  const json = Buffer.from(bytes.subarray(LENGTH_BYTES, bodyStart)).toString('utf8');
  return { ...head.parse(JSON.parse(json)), body: bytes.subarray(bodyStart) };
};

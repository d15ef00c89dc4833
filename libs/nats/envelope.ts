/**
 * A message that carries a JSON header and, behind it, bytes that stay as they are: four bytes of the
 * header's length (big endian), the header as UTF-8 JSON, the rest.
 */
const LENGTH_BYTES = 4;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Thrown for a message that is no envelope. */
export class EnvelopeError extends Error {
  override readonly name = 'EnvelopeError';
}

export const encodeEnvelope = (header: unknown, bytes?: Uint8Array): Uint8Array => {
  const json = JSON.stringify(header);
  const headerLength = Buffer.byteLength(json);
  const message = Buffer.allocUnsafe(LENGTH_BYTES + headerLength + (bytes?.length ?? 0));
  message.writeUInt32BE(headerLength, 0);
  message.write(json, LENGTH_BYTES);
  if (bytes !== undefined) message.set(bytes, LENGTH_BYTES + headerLength);
  return message;
};

/** `bytes` is a view of the message, not a copy. Throws `EnvelopeError`. */
export const decodeEnvelope = (message: Uint8Array): { header: unknown; bytes: Uint8Array } => {
  if (message.length < LENGTH_BYTES) throw new EnvelopeError('shorter than its length field');
  const headerLength = new DataView(message.buffer, message.byteOffset, LENGTH_BYTES).getUint32(0);
  const bytesStart = LENGTH_BYTES + headerLength;
  if (bytesStart > message.length) throw new EnvelopeError('shorter than its header');
  let header: unknown;
  try {
    header = JSON.parse(decoder.decode(message.subarray(LENGTH_BYTES, bytesStart)));
  } catch (error) {
    throw new EnvelopeError('its header is not JSON', { cause: error });
  }
  return { header, bytes: message.subarray(bytesStart) };
};

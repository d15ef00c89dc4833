import { FRAMES_TOGETHER_MAX, framesHeader, type Frame } from '#contracts/attempt-line';
import { decodeEnvelope, encodeEnvelope, EnvelopeError } from './envelope.ts';

/** What frames carry together; one that carries more travels alone. */
const TOGETHER_BYTES_MAX = 1024 * 1024;

const NOTHING = new Uint8Array();

const encode = (frames: readonly Frame[]): Uint8Array => {
  const header = { frames: frames.map((frame) => ({ header: frame.header, bytes: frame.bytes.length })) };
  const [first] = frames;
  const bytes =
    frames.length === 1 ? (first?.bytes ?? NOTHING) : Buffer.concat(frames.map((one) => one.bytes));
  return encodeEnvelope(header, bytes);
};

/** As few messages as may be, the frames in their order. */
export const packFrames = (frames: readonly Frame[]): Uint8Array[] => {
  const messages: Uint8Array[] = [];
  let together: Frame[] = [];
  let size = 0;
  for (const frame of frames) {
    const isFull = together.length === FRAMES_TOGETHER_MAX || size + frame.bytes.length > TOGETHER_BYTES_MAX;
    if (isFull && together.length > 0) {
      messages.push(encode(together));
      together = [];
      size = 0;
    }
    together.push(frame);
    size += frame.bytes.length;
  }
  if (together.length > 0) messages.push(encode(together));
  return messages;
};

/** The frames of a message; their bytes are views of it. Throws what zod throws, and `EnvelopeError`. */
export const unpackFrames = (message: Uint8Array): Frame[] => {
  const { header, bytes } = decodeEnvelope(message);
  let start = 0;
  const frames = framesHeader.parse(header).frames.map((one) => {
    const own = bytes.subarray(start, start + one.bytes);
    start += one.bytes;
    return { header: one.header, bytes: own };
  });
  if (start !== bytes.length) throw new EnvelopeError('its frames are not as long as it says');
  return frames;
};

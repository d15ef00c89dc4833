import { expect, it } from 'vitest';
import { FRAMES_TOGETHER_MAX, type Frame } from '#contracts/attempt-line';
import { encodeEnvelope, EnvelopeError } from './envelope.ts';
import { packFrames, unpackFrames } from './frame-pack.ts';

const requestId = `req_${'0'.repeat(26)}` as Frame['header']['requestId'];
const data = (sequence: number, bytes: Uint8Array): Frame => ({
  header: { kind: 'data', requestId, attemptNumber: 1, sequence },
  bytes,
});
const read = (messages: readonly Uint8Array[]): [number, string][] =>
  messages
    .flatMap(unpackFrames)
    .map(({ header, bytes }) => [header.sequence, Buffer.from(bytes).toString('latin1')]);

it('gives back each frame with its own bytes, in the order in which they were given', () => {
  const frames = [data(0, Buffer.from('one')), data(1, new Uint8Array()), data(2, Buffer.from('three'))];
  const messages = packFrames(frames);
  expect(messages).toHaveLength(1);
  expect(read(messages)).toEqual([
    [0, 'one'],
    [1, ''],
    [2, 'three'],
  ]);
});

it('puts no more frames into a message than its reader takes', () => {
  const frames = Array.from({ length: FRAMES_TOGETHER_MAX * 2 + 1 }, (_, index) =>
    data(index, Buffer.from('x')),
  );
  const messages = packFrames(frames);
  expect(messages).toHaveLength(3);
  expect(read(messages).map(([sequence]) => sequence)).toEqual(frames.map(({ header }) => header.sequence));
});

it('lets large frames travel alone', () => {
  const large = new Uint8Array(4 * 1024 * 1024);
  const messages = packFrames([
    data(0, Buffer.from('a')),
    data(1, large),
    data(2, large),
    data(3, Buffer.from('b')),
  ]);
  expect(messages.map((message) => unpackFrames(message).length)).toEqual([1, 1, 1, 1]);
});

it('refuses a message whose bytes are not what it says', () => {
  const header = { frames: [{ header: data(0, new Uint8Array()).header, bytes: 2 }] };
  expect(() => unpackFrames(encodeEnvelope(header, Buffer.from('abc')))).toThrow(EnvelopeError);
});

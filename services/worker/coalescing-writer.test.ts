import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CoalescingWriter } from './coalescing-writer.ts';

const { signal } = new AbortController();

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const collect = (): { frames: string[]; writer: CoalescingWriter } => {
  const frames: string[] = [];
  return { frames, writer: new CoalescingWriter((bytes) => frames.push(Buffer.from(bytes).toString())) };
};

test('words that come slower than frames may be sent are not held back for company', async () => {
  const { frames, writer } = collect();
  await writer.write('one', signal);
  expect(frames).toEqual(['one']);
  vi.advanceTimersByTime(20);
  await writer.write('two', signal);
  vi.advanceTimersByTime(1);
  expect(frames).toEqual(['one', 'two']);
});

test('what comes within 10 ms of the last frame is sent together at the end of them', async () => {
  const { frames, writer } = collect();
  await writer.write('one', signal);
  vi.advanceTimersByTime(4);
  await writer.write('two', signal);
  vi.advanceTimersByTime(5);
  await writer.write('three', signal);
  expect(frames).toEqual(['one']);
  vi.advanceTimersByTime(1);
  expect(frames).toEqual(['one', 'twothree']);
});

test('events of one chunk stay together also after a silence', async () => {
  const { frames, writer } = collect();
  await writer.write('one', signal);
  vi.advanceTimersByTime(30);
  await Promise.all([writer.write('two', signal), writer.write('three', signal)]);
  vi.advanceTimersByTime(1);
  expect(frames).toEqual(['one', 'twothree']);
});

test('a writer that is 64 KiB ahead of its client waits for it', async () => {
  const { frames, writer } = collect();
  let isWritten = false;
  const written = writer.write('x'.repeat(64 * 1024), signal).then(() => {
    isWritten = true;
  });
  await Promise.resolve();
  expect([frames.length, isWritten]).toEqual([1, false]);
  writer.credit(16 * 1024);
  await written;
});

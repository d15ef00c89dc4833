import type { ServerResponse } from 'node:http';
import type { Follower } from './answer-target.ts';

/** An ending that its client has not taken by then is not taken any more. */
const UNREAD_MS_MAX = 10_000;

/** Gives a recorded answer to a client. `isReplay` is told in a header, as others who know these keys do. */
export const responseFollower = (response: ServerResponse, isReplay: boolean): Follower => ({
  head: (status, headers) => {
    if (response.destroyed) return;
    response.writeHead(status, { ...headers, ...(isReplay && { 'idempotent-replayed': 'true' }) });
  },
  data: (bytes) => {
    if (!response.destroyed) response.write(bytes);
  },
  comment: (text) => {
    if (!response.destroyed && !response.writableNeedDrain) response.write(text);
  },
  end: () => {
    if (response.destroyed) return;
    response.end();
    const timer = setTimeout(() => response.destroy(), UNREAD_MS_MAX);
    timer.unref();
    response.once('close', () => clearTimeout(timer));
  },
  breakOff: () => response.destroy(),
});

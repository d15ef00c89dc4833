import type { Dispatch, DispatchHeader } from '#contracts/dispatch';
import type { RequestId } from '#contracts/ids';
import { INLINE_BYTES_MAX } from '#contracts/subjects';
import { FloError } from '#domain/errors';
import type { RateLimiter } from '#domain/ports';
import type { DispatchPublisher } from '#nats/dispatch-queue';
import type { PayloadStore } from '#nats/payload-store';
import { faultPoint } from '#runtime/fault-point';
import type { DispatchWindows } from './dispatch-windows.ts';
import { reserveRoom } from './interactive-room.ts';
import type { OpenRequests } from './open-requests.ts';

export type EnqueueDeps = {
  limiter: RateLimiter;
  windows: DispatchWindows;
  payloads: PayloadStore;
  queue: DispatchPublisher;
  open: OpenRequests;
  asFloError: (error: unknown, requestId: RequestId) => FloError;
};

/** The client left, or was answered, while its request waited for room. */
export const abandoned = new FloError('cancelled', 'Nobody waits for the request any more.');

/** Queues an open request once there is room for it and it is its turn; ends it where that will not be in time. */
export const createEnqueue =
  ({ limiter, windows, payloads, queue, open, asFloError }: EnqueueDeps) =>
  async ({ header, body }: Dispatch, room: Parameters<typeof reserveRoom>[2]): Promise<void> => {
    const { requestId } = header;
    let reserved: DispatchHeader | null = null;
    try {
      reserved = await reserveRoom(limiter, header, room);
      if (!open.awaits(requestId)) throw abandoned;
      await windows.enter(reserved, room);
      if (!open.awaits(requestId)) throw abandoned;
      const payload = body.length > INLINE_BYTES_MAX ? await payloads.put(requestId, body) : undefined;
      faultPoint('ingress.publishing');
      await queue.publish({ header: { ...reserved, ...(payload !== undefined && { payload }) }, body });
      faultPoint('ingress.published');
    } catch (error) {
      windows.over(requestId);
      if (reserved?.reservation) limiter.release(reserved.reservation);
      open.failUnqueued(requestId, asFloError(error, requestId));
    }
  };

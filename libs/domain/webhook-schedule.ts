const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Waits between the tries of one webhook: ten tries in three days and a few hours. */
const WAITS_MS = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
];

export const WEBHOOK_TRIES_MAX = WAITS_MS.length + 1;

/** What one try came to. `status` null: there was no answer. */
export type WebhookTry = { status: number | null; retryAfterMs: number | null };

export type WebhookVerdict =
  | { kind: 'delivered' }
  /** The receiver wants nothing more at this address. */
  | { kind: 'gone' }
  | { kind: 'retry'; delayMs: number }
  | { kind: 'failed' };

/**
 * What comes after try number `tries`. Any 2xx is a delivery, 410 ends the address, all else is tried again
 * later: up to a tenth earlier or later, so that what failed together does not come back together.
 * `random` is in [0, 1).
 */
export const judgeWebhookTry = (
  { status, retryAfterMs }: WebhookTry,
  { tries, random }: { tries: number; random: number },
): WebhookVerdict => {
  if (status !== null && status >= 200 && status < 300) return { kind: 'delivered' };
  if (status === 410) return { kind: 'gone' };
  const waitMs = WAITS_MS[tries - 1];
  if (waitMs === undefined) return { kind: 'failed' };
  const spreadMs = Math.round(waitMs * (0.9 + random / 5));
  return { kind: 'retry', delayMs: Math.max(spreadMs, Math.min(retryAfterMs ?? 0, HOUR_MS)) };
};

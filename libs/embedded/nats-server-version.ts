/** `[major, minor, patch]` */
export type NatsServerVersion = readonly [number, number, number];

/**
 * The oldest nats-server flo2 runs on. 2.10 has every feature flo2 uses (work-queue and interest streams,
 * consumers with several filters, per-subject discard, metadata), and it is what the current Debian stable
 * carries, so that machines which reach nothing but their distribution's mirror are served too.
 */
export const NATS_SERVER_FLOOR: NatsServerVersion = [2, 10, 0];

/** Reads `nats-server: v2.14.5` and the like; null when there is no version in the text. */
export const decodeVersion = (text: string): NatsServerVersion | null => {
  const match = /(?:^|[^\d.])(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?![\d.])/.exec(text);
  return match === null ? null : [Number(match[1]), Number(match[2]), Number(match[3])];
};

export const encodeVersion = (version: NatsServerVersion): string => version.join('.');

/** Negative when `left` is the older one, 0 when both are the same. */
export const compareVersions = (left: NatsServerVersion, right: NatsServerVersion): number =>
  left[0] - right[0] || left[1] - right[1] || left[2] - right[2];

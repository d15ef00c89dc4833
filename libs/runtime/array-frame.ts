import type { SseEvent } from '#providers/sse';

/** Writes a provider's events as the elements of one JSON array, as a client of Gemini's API may want them. */
export type ArrayFrame = {
  /** What an event becomes, null for one the client is not to see; the last one closes the array. */
  write: (event: SseEvent | null, isLast: boolean) => string;
};

export const createArrayFrame = (): ArrayFrame => {
  let isFirst = true;
  return {
    write: (event, isLast) => {
      const data = event?.data ?? '';
      let text = '';
      if (data !== '') {
        text = (isFirst ? '[' : ',\n') + data;
        isFirst = false;
      }
      return isLast ? text + (isFirst ? '[]' : ']') : text;
    },
  };
};

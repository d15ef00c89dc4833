import type { StreamFraming } from '#contracts/vocabulary';
import type { SseEvent } from '#providers/sse';

/** Writes a provider's events as they came, in the frame the client asked for. */
export type StreamFrame = {
  event: (event: SseEvent) => string;
  /** What closes the frame after the last event. */
  end: () => string;
};

/** Every provider is asked for server-sent events; a client of Gemini's API may want one JSON array instead. */
export const createStreamFrame = (framing: StreamFraming): StreamFrame => {
  if (framing === 'sse') return { event: ({ text }) => text, end: () => '' };
  let isFirst = true;
  return {
    event: ({ data }) => {
      if (data === '') return '';
      const opening = isFirst ? '[' : ',\n';
      isFirst = false;
      return opening + data;
    },
    end: () => (isFirst ? '[]' : ']'),
  };
};

import { FloError } from '#domain/errors';

/** One server-sent event. `text` is the event as it came, with its final blank line, for passing through. */
export type SseEvent = { event: string | null; data: string; text: string };

export type SseReader = {
  /** The events that are complete with this chunk. Throws `FloError` `malformed_answer` for one over the bound. */
  read: (chunk: Uint8Array) => SseEvent[];
  /** What was left without its blank line at the end, as one more event. */
  finish: () => SseEvent[];
};

/** The end of a line and, right behind it, an empty line; a lone CR ends a line too. */
const BLANK_LINE = /\r\n\r\n|\r\n\n|\r\n\r(?!\n)|\n\r\n|\n\n|\n\r(?!\n)|\r\r\n|\r\r(?!\n)/g;

const parseEvent = (text: string): SseEvent => {
  let event: string | null = null;
  let data: string | null = null;
  for (const line of text.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':');
    if (colon === 0 || line === '') continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'event') event = value;
    else if (field === 'data') data = data === null ? value : `${data}\n${value}`;
  }
  return { event, data: data ?? '', text };
};

/**
 * Reads an event stream however it is cut into chunks (WHATWG HTML, "Parsing an event stream"). Blocks
 * without data, such as comments, come as events with empty data, so that the texts together are the
 * stream.
 */
export const createSseReader = ({ maxEventBytes }: { maxEventBytes: number }): SseReader => {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: false });
  let rest = '';
  /** Everything before is known to hold no end of an event. */
  let searchedTo = 0;

  const take = (isLast: boolean): SseEvent[] => {
    const events: SseEvent[] = [];
    let start = 0;
    BLANK_LINE.lastIndex = searchedTo;
    for (let match = BLANK_LINE.exec(rest); match !== null; match = BLANK_LINE.exec(rest)) {
      const end = match.index + match[0].length;
      // Whether a CR at the very end is half of a line's end only the next chunk can tell.
      if (!isLast && end === rest.length && rest.endsWith('\r')) break;
      events.push(parseEvent(rest.slice(start, end)));
      start = end;
    }
    rest = rest.slice(start);
    searchedTo = Math.max(0, rest.length - 3);
    if (rest.length > maxEventBytes) {
      throw new FloError(
        'malformed_answer',
        `The provider's answer holds an event over ${maxEventBytes} bytes.`,
      );
    }
    return events;
  };

  return {
    read: (chunk) => {
      rest += decoder.decode(chunk, { stream: true });
      return take(false);
    },
    finish: () => {
      rest += decoder.decode();
      const events = take(true);
      if (rest !== '') events.push(parseEvent(rest));
      rest = '';
      searchedTo = 0;
      return events;
    },
  };
};

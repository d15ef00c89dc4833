/** One server-sent event. `text` is the event as it came, with its final blank line, for passing through. */
export type SseEvent = { event: string | null; data: string; text: string };

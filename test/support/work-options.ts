import type { WorkOptions } from '#domain/work-ports';

/** Those of a chat request of which its client has said nothing particular. */
export const CHAT_OPTIONS: WorkOptions = {
  attribution: { tags: {} },
  forwardedHeaders: {},
  dropInexpressible: false,
  operation: 'chat',
  maxOutputTokens: null,
  answers: 1,
};

/** An image as it arrived. `url` is null for one sent along; `widthPx` is known for PNG. */
export type SeenImage = {
  url: string | null;
  mediaType: string | null;
  bytes: number | null;
  widthPx: number | null;
  heightPx: number | null;
};

/** What a conversation is made of, in order, whichever dialect carried it. */
export type ConversationItem =
  | { type: 'text'; role: 'user' | 'assistant'; text: string }
  | ({ type: 'image' } & SeenImage)
  | { type: 'document'; mediaType: string | null; url: string | null; bytes: number | null }
  | { type: 'audio'; format: string; bytes: number }
  | { type: 'tool_call'; id: string; name: string; arguments: unknown }
  | { type: 'tool_result'; id: string; text: string; isError: boolean };

export type OfferedTool = { name: string; schema: unknown };

/** A request as the simulated model understands it. */
export type Conversation = {
  system: string;
  items: ConversationItem[];
  tools: OfferedTool[];
  toolChoice: 'auto' | 'none' | 'required' | { name: string };
  parallelToolCalls: boolean;
  maxOutputTokens: number | null;
  temperature: number | null;
  topP: number | null;
  stop: string[];
  /** `hidden` is charged but not shown; `shown` comes as thinking blocks. */
  reasoning: 'none' | 'hidden' | 'shown';
  /** A JSON Schema (or `{}`) where the answer has to be JSON. */
  jsonSchema: unknown;
};

const PNG_SIGNATURE = '89504e470d0a1a0a';

/** Reads an image sent as base64; null where the text is no base64. */
export const readBase64Image = (mediaType: string, data: string): SeenImage | null => {
  if (data === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(data)) return null;
  const bytes = Buffer.from(data, 'base64');
  const isPng = bytes.length >= 24 && bytes.toString('hex', 0, 8) === PNG_SIGNATURE;
  return {
    url: null,
    mediaType,
    bytes: bytes.length,
    widthPx: isPng ? bytes.readUInt32BE(16) : null,
    heightPx: isPng ? bytes.readUInt32BE(20) : null,
  };
};

export const remoteImage = (url: string): SeenImage => ({
  url,
  mediaType: null,
  bytes: null,
  widthPx: null,
  heightPx: null,
});

/** The items since the model last spoke. */
export const latestItems = (conversation: Conversation): ConversationItem[] => {
  const { items } = conversation;
  const lastSpoken = items.findLastIndex(
    (item) => item.type === 'tool_call' || (item.type === 'text' && item.role === 'assistant'),
  );
  return items.slice(lastSpoken + 1);
};

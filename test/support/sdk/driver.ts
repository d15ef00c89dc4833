/** What every official client library is asked to do in the end-to-end tests, each in its own words. */

export type DriverOptions = { url: string; apiKey: string };

/** What only some libraries and some providers have. */
export type Feature = 'thinking' | 'embeddings' | 'counts';
/** Why a feature is not tried. */
export type Reasons = Readonly<Partial<Record<Feature, string>>>;

export type ToolRound = { arguments: unknown; reply: string };

/**
 * One client library on one of its surfaces, unmodified: base URL and key changed, nothing else. A part that
 * the surface does not have is absent.
 */
export type SdkDriver = {
  plain: (model: string, prompt: string) => Promise<string>;
  /** The pieces of the text as they come. */
  stream: (model: string, prompt: string, signal?: AbortSignal) => AsyncIterable<string>;
  /** Has the model call `get_weather` with `TOOL_ARGUMENTS`, gives it `TOOL_RESULT`, and returns its reply. */
  callTool: (model: string) => Promise<ToolRound>;
  /** The arguments of a call whose pieces were streamed. */
  streamTool?: (model: string) => Promise<unknown>;
  /** An answer that `ANSWER_SCHEMA` allows. */
  structured: (model: string) => Promise<unknown>;
  describeImage: (model: string) => Promise<string>;
  /** What the model thought, and its reply to the result of a tool it called meanwhile. */
  think: (model: string) => Promise<{ thought: string; round: ToolRound }>;
  embed?: (model: string, texts: string[]) => Promise<number[][]>;
  countTokens?: (model: string) => Promise<number>;
  /** Whether what a failed call throws is the library's own error for the status. */
  isOwnError: (error: unknown, status: number) => boolean;
};

export const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

export const TOOL_NAME = 'get_weather';
export const TOOL_DESCRIPTION = 'Weather of a place';
export const TOOL_SCHEMA = {
  type: 'object' as const,
  properties: { place: { type: 'string' as const } },
  required: ['place'],
  additionalProperties: false as const,
};
export const TOOL_ARGUMENTS = { place: 'Köln "am" Rhein' };
export const TOOL_PROMPT = `use ${TOOL_NAME} with ${JSON.stringify(TOOL_ARGUMENTS)}`;
export const TOOL_RESULT = 'sunny, 21 °C';

export const ANSWER_SCHEMA = {
  type: 'object' as const,
  properties: {
    city: { type: 'string' as const },
    days: { type: 'integer' as const },
    tags: { type: 'array' as const, items: { type: 'string' as const } },
  },
  required: ['city', 'days', 'tags'],
  additionalProperties: false as const,
};
export const STRUCTURED_PROMPT = 'Answer in json.';
export const IMAGE_PROMPT = 'What is this?';

export const parseJson = (text: string): unknown => JSON.parse(text);

export const missing = (what: string): never => {
  throw new Error(`no ${what} came`);
};

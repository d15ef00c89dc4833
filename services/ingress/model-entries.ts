/** Models as each dialect lists them, and beside its own fields what flo2 knows more. */
import type { ListedModel } from '#contracts/listed-model';
import type { Operation, ProviderId } from '#contracts/vocabulary';

/** What can be asked for by name; `prices` are decimal texts of USD per million tokens, by component. */
export type ModelEntry = {
  id: string;
  /** Null for a route. */
  provider: ProviderId | null;
  listed: ListedModel | null;
  prices: Record<string, string> | null;
};

/** Not every API tells when; a fixed time is better than one that changes. */
const CREATED_AT = new Date(0);

const OPERATION_WORDS: Readonly<Record<Operation, string>> = {
  chat: 'chat',
  embedding: 'embeddings',
  token_count: 'count_tokens',
};

const wordsOf = ({ listed }: ModelEntry): string[] | null => {
  const capabilities = listed?.capabilities ?? null;
  if (capabilities === null) return null;
  const { operations = [], imageInput, tools, structuredOutput, reasoning } = capabilities;
  return [
    ...operations.map((operation) => OPERATION_WORDS[operation]),
    ...(imageInput === true ? ['image_input'] : []),
    ...(tools === true ? ['tools'] : []),
    ...(structuredOutput === true ? ['structured_output'] : []),
    ...(reasoning === true ? ['reasoning'] : []),
  ];
};

/** The same in every dialect. Null is what nobody tells. */
const knownOf = (entry: ModelEntry): object => ({
  provider: entry.provider,
  context_window: entry.listed?.contextWindowTokens ?? null,
  max_output_tokens: entry.listed?.maxOutputTokens ?? null,
  capabilities: wordsOf(entry),
  pricing: entry.prices === null ? null : { currency: 'USD', per: '1M tokens', ...entry.prices },
});

export const encodeOpenaiModel = (entry: ModelEntry): object => ({
  id: entry.id,
  object: 'model',
  created: CREATED_AT.getTime() / 1_000,
  owned_by: entry.provider ?? 'flo2',
  ...knownOf(entry),
});

export const encodeAnthropicModel = (entry: ModelEntry): object => ({
  type: 'model',
  id: entry.id,
  display_name: entry.id,
  created_at: CREATED_AT.toISOString(),
  ...knownOf(entry),
});

const METHODS: Readonly<Record<Operation, readonly string[]>> = {
  chat: ['generateContent', 'streamGenerateContent'],
  embedding: ['embedContent', 'batchEmbedContents'],
  token_count: ['countTokens'],
};

const methodsOf = ({ listed }: ModelEntry): string[] =>
  (listed?.capabilities?.operations ?? ['chat']).flatMap((operation) => METHODS[operation]);

export const encodeGeminiModel = (entry: ModelEntry): object => {
  const { id, listed } = entry;
  return {
    name: `models/${id}`,
    displayName: id,
    supportedGenerationMethods: methodsOf(entry),
    ...(listed !== null &&
      listed.contextWindowTokens !== null && { inputTokenLimit: listed.contextWindowTokens }),
    ...(listed !== null && listed.maxOutputTokens !== null && { outputTokenLimit: listed.maxOutputTokens }),
    ...(listed?.capabilities?.reasoning !== undefined && { thinking: listed.capabilities.reasoning }),
    ...knownOf(entry),
  };
};

/** The models that every client library is tried against: one row a provider, and a line a cell. */
import type { CompatibleDialect, ProviderId } from '#contracts/vocabulary';
import type { Reasons } from './driver.ts';

export type Target = {
  /** The name in the test's title. */
  name: string;
  /** As clients name it, `provider/model`. */
  model: string;
  /** Which compatible server its key leads to. */
  dialect?: Exclude<CompatibleDialect, 'openai'>;
  /** A model that reasons. */
  thinker?: string;
  /** Whether the thinker shows its thought on any wire of the provider's. */
  showsThought: boolean;
  embedder?: string;
  /** What nobody can ask of it, and why. */
  without: Reasons;
  /** What it cannot be asked, which a client is told by the field's name. */
  lacks: readonly ('structured' | 'image')[];
};

const TARGETS: Readonly<Record<string, readonly Target[]>> = {
  openai: [
    {
      name: 'openai',
      model: 'openai/gpt-4o-mini',
      thinker: 'openai/gpt-5-nano',
      showsThought: true,
      embedder: 'openai/text-embedding-3-small',
      without: {},
      lacks: [],
    },
  ],
  anthropic: [
    {
      name: 'anthropic',
      model: 'anthropic/claude-haiku-4-5',
      thinker: 'anthropic/claude-haiku-4-5',
      showsThought: true,
      without: { embeddings: 'Anthropic has no embeddings' },
      lacks: [],
    },
  ],
  google: [
    {
      name: 'google',
      model: 'google/gemini-2.5-flash',
      thinker: 'google/gemini-2.5-flash',
      showsThought: true,
      embedder: 'google/gemini-embedding-001',
      without: {},
      lacks: [],
    },
    {
      name: 'google (Gemini 3)',
      model: 'google/gemini-3-flash-preview',
      thinker: 'google/gemini-3-flash-preview',
      showsThought: true,
      without: { embeddings: 'the embedding model of google is tried in the row above' },
      lacks: [],
    },
  ],
  mistral: [
    {
      name: 'mistral',
      model: 'mistral/mistral-small-latest',
      thinker: 'mistral/mistral-small-latest',
      showsThought: true,
      embedder: 'mistral/mistral-embed',
      without: { counts: 'Mistral has no count of tokens' },
      lacks: [],
    },
  ],
  groq: [
    {
      name: 'groq',
      model: 'groq/llama-3.3-70b-versatile',
      thinker: 'groq/openai/gpt-oss-120b',
      showsThought: true,
      without: { embeddings: 'Groq has no embeddings', counts: 'Groq has no count of tokens' },
      lacks: [],
    },
  ],
  openrouter: [
    {
      name: 'openrouter',
      model: 'openrouter/anthropic/claude-sonnet-4.5',
      thinker: 'openrouter/anthropic/claude-sonnet-4.5',
      showsThought: true,
      embedder: 'openrouter/openai/text-embedding-3-small',
      without: { counts: 'OpenRouter has no count of tokens' },
      lacks: [],
    },
  ],
  openai_compatible: [
    {
      name: 'azure',
      dialect: 'azure',
      model: 'openai_compatible/gpt-4o-mini',
      thinker: 'openai_compatible/gpt-5-nano',
      showsThought: false,
      embedder: 'openai_compatible/text-embedding-3-small',
      without: { counts: 'no count of tokens at an address that names a version' },
      lacks: [],
    },
    {
      name: 'vllm',
      dialect: 'vllm',
      model: 'openai_compatible/meta-llama/Llama-3.3-70B-Instruct',
      thinker: 'openai_compatible/Qwen/Qwen3-32B',
      showsThought: true,
      embedder: 'openai_compatible/Qwen/Qwen3-Embedding-0.6B',
      without: { counts: 'no count of tokens in this dialect' },
      lacks: [],
    },
    {
      name: 'deepseek',
      dialect: 'deepseek',
      model: 'openai_compatible/deepseek-chat',
      thinker: 'openai_compatible/deepseek-reasoner',
      showsThought: true,
      without: { embeddings: 'DeepSeek has no embeddings', counts: 'DeepSeek has no count of tokens' },
      lacks: ['structured', 'image'],
    },
    {
      name: 'xai',
      dialect: 'xai',
      model: 'openai_compatible/grok-4-fast-reasoning',
      thinker: 'openai_compatible/grok-4-fast-reasoning',
      showsThought: false,
      without: { embeddings: 'xAI has no embeddings', counts: 'no count of tokens in this dialect' },
      lacks: [],
    },
    {
      name: 'ollama',
      dialect: 'ollama',
      model: 'openai_compatible/llama3.2',
      thinker: 'openai_compatible/qwen3:8b',
      showsThought: true,
      embedder: 'openai_compatible/nomic-embed-text',
      without: { counts: 'no count of tokens in this dialect' },
      lacks: [],
    },
    {
      name: 'together',
      dialect: 'together',
      model: 'openai_compatible/deepseek-ai/DeepSeek-V3',
      thinker: 'openai_compatible/deepseek-ai/DeepSeek-R1',
      showsThought: true,
      embedder: 'openai_compatible/BAAI/bge-base-en-v1.5',
      without: { counts: 'no count of tokens in this dialect' },
      lacks: [],
    },
  ],
};

/** A model's name without its provider's. */
export const upstreamName = (model: string): string => model.slice(model.indexOf('/') + 1);

/** Throws for a provider that nobody has written a row for. */
export const targetsOf = (provider: ProviderId): readonly Target[] => {
  const targets = TARGETS[provider];
  if (targets === undefined) throw new TypeError(`the client libraries are not tried against ${provider}`);
  return targets;
};

/** The models that every client library is tried against: one row a provider, and a line a cell. */
import type { CompatibleDialect, ProviderId } from '#contracts/vocabulary';

export type Target = {
  /** The name in the test's title. */
  name: string;
  /** As clients name it, `provider/model`. */
  model: string;
  /** Which compatible server its key leads to. */
  dialect?: Exclude<CompatibleDialect, 'openai'>;
  /** A model that reasons; absent where none does. */
  thinker?: string;
  /** Whether the thinker shows its thought on any wire of the provider's. */
  showsThought: boolean;
  embedder?: string;
  counts: boolean;
  /** What it cannot be asked, which a client is told by the field's name. */
  lacks: readonly ('structured' | 'image')[];
};

const TARGETS: Readonly<Record<string, readonly Target[]>> = {
  openai: [
    {
      name: 'openai',
      model: 'openai/gpt-4o-mini',
      thinker: 'openai/gpt-5-nano',
      showsThought: false,
      embedder: 'openai/text-embedding-3-small',
      counts: false,
      lacks: [],
    },
  ],
  anthropic: [
    {
      name: 'anthropic',
      model: 'anthropic/claude-haiku-4-5',
      thinker: 'anthropic/claude-haiku-4-5',
      showsThought: true,
      counts: true,
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
      counts: true,
      lacks: [],
    },
    {
      name: 'google (Gemini 3)',
      model: 'google/gemini-3-flash-preview',
      showsThought: true,
      counts: true,
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
      counts: false,
      lacks: [],
    },
  ],
  groq: [
    {
      name: 'groq',
      model: 'groq/llama-3.3-70b-versatile',
      thinker: 'groq/openai/gpt-oss-120b',
      showsThought: true,
      counts: false,
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
      counts: false,
      lacks: [],
    },
  ],
  openai_compatible: [
    {
      name: 'azure',
      dialect: 'azure',
      model: 'openai_compatible/gpt-4o-mini',
      showsThought: false,
      embedder: 'openai_compatible/text-embedding-3-small',
      counts: false,
      lacks: [],
    },
    {
      name: 'vllm',
      dialect: 'vllm',
      model: 'openai_compatible/meta-llama/Llama-3.3-70B-Instruct',
      showsThought: false,
      counts: false,
      lacks: [],
    },
    {
      name: 'deepseek',
      dialect: 'deepseek',
      model: 'openai_compatible/deepseek-chat',
      thinker: 'openai_compatible/deepseek-reasoner',
      showsThought: true,
      counts: false,
      lacks: ['structured', 'image'],
    },
    {
      name: 'xai',
      dialect: 'xai',
      model: 'openai_compatible/grok-4-fast-reasoning',
      showsThought: false,
      counts: false,
      lacks: [],
    },
    {
      name: 'ollama',
      dialect: 'ollama',
      model: 'openai_compatible/llama3.2',
      showsThought: false,
      counts: false,
      lacks: [],
    },
    {
      name: 'together',
      dialect: 'together',
      model: 'openai_compatible/deepseek-ai/DeepSeek-V3',
      showsThought: false,
      counts: false,
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

/**
 * Where below a simulator's address each provider serves, as a provider key's base URL names it. Of the
 * compatible servers, one without quirks stands for all where none is named.
 */
const PATHS = {
  openai: '/v1',
  anthropic: '',
  google: '/v1beta',
  mistral: '/mistral/v1',
  groq: '/groq/openai/v1',
  openrouter: '/openrouter/api/v1',
  azure: '/azure/openai/v1',
  deepseek: '/deepseek',
  xai: '/xai/v1',
  openai_compatible: '/vllm/v1',
  vllm: '/vllm/v1',
  ollama: '/ollama/v1',
  together: '/together/v1',
} as const;
export type SimulatedProviderId = keyof typeof PATHS;

export const simulatedBaseUrl = (url: string, provider: SimulatedProviderId): string =>
  `${url}${PATHS[provider]}`;

const KEY_PREFIXES: Readonly<Record<SimulatedProviderId, string>> = {
  openai: 'sk-',
  anthropic: 'sk-ant-',
  google: 'AIza',
  mistral: 'mistral-',
  groq: 'gsk_',
  openrouter: 'sk-or-',
  azure: 'azure-',
  deepseek: 'sk-',
  xai: 'xai-',
  openai_compatible: 'vllm-',
  vllm: 'vllm-',
  ollama: 'ollama-',
  together: 'together-',
};

/** A key that the simulated provider takes. */
export const simulatedSecret = (provider: SimulatedProviderId, unique: string): string =>
  `${KEY_PREFIXES[provider]}${unique}`;

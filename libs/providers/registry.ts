import type { ProviderId } from '#contracts/vocabulary';
import { anthropic } from './anthropic/anthropic.ts';
import { openai } from './openai/openai.ts';
import type { Provider } from './provider.ts';

const PROVIDERS: Readonly<Record<ProviderId, Provider>> = { openai, anthropic };

export const providerOf = (id: ProviderId): Provider => PROVIDERS[id];

/** Every client library on every surface of its own: a line each. */
import { anthropicDriver } from './anthropic.ts';
import type { DriverOptions, Reasons, SdkDriver } from './driver.ts';
import { googleDriver } from './google.ts';
import { groqDriver } from './groq.ts';
import { mistralDriver } from './mistral.ts';
import { openaiChatDriver, openaiResponsesDriver } from './openai.ts';
import {
  vercelAnthropicDriver,
  vercelGoogleDriver,
  vercelOpenaiChatDriver,
  vercelOpenaiResponsesDriver,
} from './vercel-ai.ts';

export type NamedDriver = {
  name: string;
  create: (options: DriverOptions) => SdkDriver;
  /** Whether its dialect has a place for what a model thought. */
  showsThought: boolean;
  /** What it has no word for, and why. */
  without: Reasons;
  /** What it cannot read of one target's answers alone, by the target's name. */
  withoutAt?: Readonly<Record<string, Reasons>>;
  /** The providers whose models it can read the answers of, where its dialect is one provider's own. */
  only?: readonly string[];
};

const NO_CHAT_COUNT = { counts: 'the library has no count of tokens for chat completions' };
const NO_AI_COUNT = { counts: 'the AI SDK has no count of tokens' };

export const SDK_DRIVERS: readonly NamedDriver[] = [
  { name: 'openai chat', create: openaiChatDriver, showsThought: false, without: NO_CHAT_COUNT },
  {
    name: 'openai responses',
    create: openaiResponsesDriver,
    showsThought: true,
    without: { embeddings: 'the same library embeds in the row above' },
  },
  {
    name: '@anthropic-ai/sdk',
    create: anthropicDriver,
    showsThought: true,
    without: { embeddings: 'the library has no embeddings' },
  },
  { name: '@google/genai', create: googleDriver, showsThought: true, without: {} },
  {
    name: 'groq-sdk',
    create: groqDriver,
    showsThought: false,
    without: { ...NO_CHAT_COUNT, embeddings: 'the library cannot say how long a vector is to be' },
  },
  {
    name: '@mistralai/mistralai',
    create: mistralDriver,
    showsThought: true,
    only: ['mistral'],
    without: NO_CHAT_COUNT,
  },
  {
    name: 'ai with @ai-sdk/openai chat',
    create: vercelOpenaiChatDriver,
    showsThought: false,
    without: { ...NO_AI_COUNT, embeddings: 'the same library embeds in the row below' },
    withoutAt: {
      mistral: { thinking: 'the library reads no content that is a list, as Mistral writes thoughts' },
    },
  },
  {
    name: 'ai with @ai-sdk/openai',
    create: vercelOpenaiResponsesDriver,
    showsThought: true,
    without: NO_AI_COUNT,
  },
  {
    name: 'ai with @ai-sdk/anthropic',
    create: vercelAnthropicDriver,
    showsThought: true,
    without: { ...NO_AI_COUNT, embeddings: 'the library has no embeddings' },
  },
  { name: 'ai with @ai-sdk/google', create: vercelGoogleDriver, showsThought: true, without: NO_AI_COUNT },
];

/** Every client library on every surface of its own: a line each. */
import { anthropicDriver } from './anthropic.ts';
import type { DriverOptions, SdkDriver } from './driver.ts';
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
  /** The providers whose models it can read the answers of, where its dialect is one provider's own. */
  only?: readonly string[];
};

export const SDK_DRIVERS: readonly NamedDriver[] = [
  { name: 'openai chat', create: openaiChatDriver, showsThought: false },
  { name: 'openai responses', create: openaiResponsesDriver, showsThought: true },
  { name: '@anthropic-ai/sdk', create: anthropicDriver, showsThought: true },
  { name: '@google/genai', create: googleDriver, showsThought: true },
  { name: 'groq-sdk', create: groqDriver, showsThought: false },
  { name: '@mistralai/mistralai', create: mistralDriver, showsThought: true, only: ['mistral'] },
  { name: 'ai with @ai-sdk/openai chat', create: vercelOpenaiChatDriver, showsThought: false },
  { name: 'ai with @ai-sdk/openai', create: vercelOpenaiResponsesDriver, showsThought: true },
  { name: 'ai with @ai-sdk/anthropic', create: vercelAnthropicDriver, showsThought: true },
  { name: 'ai with @ai-sdk/google', create: vercelGoogleDriver, showsThought: true },
];

import type { SurfaceId } from '#contracts/vocabulary';
import { anthropicCountTokens } from './anthropic-count-tokens/anthropic-count-tokens.ts';
import { anthropicMessages } from './anthropic-messages/anthropic-messages.ts';
import { geminiCountTokens } from './gemini/count-tokens.ts';
import { geminiEmbedContent } from './gemini/embed-content.ts';
import { geminiGenerateContent } from './gemini/generate-content.ts';
import { openaiChat } from './openai-chat/openai-chat.ts';
import { openaiCountTokens } from './openai-count-tokens/openai-count-tokens.ts';
import { openaiEmbeddings } from './openai-embeddings/openai-embeddings.ts';
import { openaiResponses } from './openai-responses/openai-responses.ts';
import type { Surface } from './surface.ts';

const SURFACES: Readonly<Record<SurfaceId, Surface>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  'openai-count-tokens': openaiCountTokens,
  'openai-embeddings': openaiEmbeddings,
  'anthropic-messages': anthropicMessages,
  'anthropic-count-tokens': anthropicCountTokens,
  'gemini-generate-content': geminiGenerateContent,
  'gemini-count-tokens': geminiCountTokens,
  'gemini-embed-content': geminiEmbedContent,
};

export const surfaceOf = (id: SurfaceId): Surface => SURFACES[id];

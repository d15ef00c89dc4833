import type { SurfaceId } from '#contracts/vocabulary';
import { anthropicMessages } from './anthropic-messages/anthropic-messages.ts';
import { openaiChat } from './openai-chat/openai-chat.ts';
import type { Surface } from './surface.ts';

const SURFACES: Readonly<Record<SurfaceId, Surface>> = {
  'openai-chat': openaiChat,
  'anthropic-messages': anthropicMessages,
};

export const surfaceOf = (id: SurfaceId): Surface => SURFACES[id];

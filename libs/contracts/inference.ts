/**
 * The canonical form of a chat request and its answer, used only where the client's dialect and the
 * provider's differ. Where they are the same, the original bytes go through and none of this is built.
 *
 * Plain types: values are made by `decode*` functions that have already validated their input.
 */
import type { Usage } from './usage.ts';

export type ImageSource = { kind: 'url'; url: string } | { kind: 'base64'; mediaType: string; data: string };

export type TextPart = { type: 'text'; text: string };
export type ImagePart = { type: 'image'; source: ImageSource };
/** A call the model wants made. `argumentsJson` is kept as the text the model wrote. */
export type ToolCallPart = { type: 'tool_call'; id: string; name: string; argumentsJson: string };
export type ToolResultPart = {
  type: 'tool_result';
  toolCallId: string;
  content: (TextPart | ImagePart)[];
  isError: boolean;
};

export type UserMessage = { role: 'user'; content: (TextPart | ImagePart | ToolResultPart)[] };
export type AssistantMessage = { role: 'assistant'; content: (TextPart | ToolCallPart)[] };
export type ChatMessage = UserMessage | AssistantMessage;

export type ToolDefinition = {
  name: string;
  description?: string;
  /** A JSON Schema, passed on as it is. */
  inputSchema: Record<string, unknown>;
};

export type ToolChoice =
  | { type: 'auto' }
  | { type: 'none' }
  | { type: 'required' }
  | { type: 'tool'; name: string };

export type ChatRequest = {
  stream: boolean;
  system: TextPart[];
  messages: ChatMessage[];
  tools: ToolDefinition[];
  toolChoice?: ToolChoice;
  parallelToolCalls?: boolean;
  maxOutputTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  stop: string[];
  endUser?: string;
};

export type FinishReason = 'stop' | 'stop_sequence' | 'length' | 'tool_calls' | 'content_filter';

export type ChatResponse = {
  id: string;
  model: string;
  content: (TextPart | ToolCallPart)[];
  finishReason: FinishReason;
  /** The stop sequence that ended the answer, where the provider names it. */
  stopSequence?: string;
  usage: Usage;
};

/**
 * Parts of a streamed answer, in order: one `start`, then deltas, then `finish`. `usage` may come
 * several times and each replaces the one before. `end` is the provider's own sign that the stream is
 * whole; a stream without it was cut.
 */
export type StreamPart =
  | { type: 'start'; id: string; model: string }
  | { type: 'text_delta'; text: string }
  | { type: 'tool_call_start'; index: number; id: string; name: string }
  | { type: 'tool_call_delta'; index: number; argumentsDelta: string }
  | { type: 'finish'; reason: FinishReason; stopSequence?: string }
  | { type: 'usage'; usage: Usage }
  | { type: 'end' };

import type { ChatRequest, OutputFormat, ToolDefinition } from '#contracts/inference';
import { FloError } from '#domain/errors';
import type { Inexpressible } from '#domain/inexpressible';
import type { TranslatedInput } from '../provider.ts';
import { findUnwritten } from '../request-fields.ts';
import { sayInstructionsAsUser } from '../later-instructions.ts';
import { encodeAnthropicMessages, encodeCacheControl, encodeContent, isNotEmpty } from './messages.ts';
import { encodeThinking } from './thinking.ts';

/** The API wants a bound on every answer; this one stands for a client that gave none. */
export const DEFAULT_MAX_OUTPUT_TOKENS = 4_096;

const CHOICE_TYPES = { auto: 'auto', none: 'none', required: 'any', tool: 'tool' } as const;

/** Whether calls may be parallel is a part of the tool choice here. */
const encodeToolChoice = ({ tools, toolChoice, parallelToolCalls }: ChatRequest): object | undefined => {
  if (tools.length === 0 || (toolChoice === undefined && parallelToolCalls !== false)) return undefined;
  const choice = toolChoice ?? { type: 'auto' };
  return {
    type: CHOICE_TYPES[choice.type],
    ...(choice.type === 'tool' && { name: choice.name }),
    ...(choice.type !== 'none' &&
      parallelToolCalls !== undefined && { disable_parallel_tool_use: !parallelToolCalls }),
  };
};

const encodeTool = ({ name, description, inputSchema, strict, ...rest }: ToolDefinition): object => ({
  name,
  ...(description !== undefined && { description }),
  // A tool without parameters may come with an empty schema; the API wants the type.
  input_schema: { type: 'object', ...inputSchema },
  ...(strict !== undefined && { strict }),
  ...encodeCacheControl(rest),
});

/** A schema is always kept to here; JSON of any shape cannot be asked for. */
const encodeOutputFormat = (format: OutputFormat | undefined, inexpressible: Inexpressible): object => {
  if (format === undefined) return {};
  if (format.type === 'json_schema') return { format: { type: 'json_schema', schema: format.schema } };
  inexpressible.field('outputFormat');
  return {};
};

const encodeServiceTier = (
  tier: ChatRequest['serviceTier'],
  inexpressible: Inexpressible,
): string | undefined => {
  switch (tier) {
    case undefined:
    case 'auto':
      return tier;
    case 'standard':
      return 'standard_only';
    case 'flex':
    case 'priority':
      inexpressible.field('serviceTier');
      return undefined;
  }
};

const WRITTEN: ReadonlySet<keyof ChatRequest> = new Set<keyof ChatRequest>([
  'parallelToolCalls',
  'outputFormat',
  'reasoning',
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'serviceTier',
  'endUser',
]);

const checkTemperature = (temperature: number | undefined): number | undefined => {
  if (temperature === undefined || temperature <= 1) return temperature;
  throw new FloError('invalid_request', 'For this model temperature must be between 0 and 1.', {
    param: 'temperature',
  });
};

/**
 * The body of `POST /v1/messages`. Throws `FloError` `invalid_request` for a temperature over 1, for
 * arguments of a tool call that are no JSON object, and for messages that do not begin with the user's.
 */
export const encodeAnthropicRequest = ({
  request,
  model,
  inexpressible,
}: TranslatedInput<ChatRequest>): object => {
  findUnwritten(request, WRITTEN, inexpressible);
  const { tools, maxOutputTokens, endUser } = request;
  const system = request.system.filter(isNotEmpty);
  const { thinking, effort, budgetTokens } = encodeThinking(request.reasoning, model, inexpressible);
  const output = {
    ...(effort !== undefined && { effort }),
    ...encodeOutputFormat(request.outputFormat, inexpressible),
  };
  return {
    model,
    max_tokens: maxOutputTokens ?? DEFAULT_MAX_OUTPUT_TOKENS + budgetTokens,
    ...(system.length > 0 && { system: system.map(encodeContent) }),
    messages: encodeAnthropicMessages(sayInstructionsAsUser(request.messages, inexpressible)),
    ...(tools.length > 0 && { tools: tools.map(encodeTool) }),
    tool_choice: encodeToolChoice(request),
    thinking,
    ...(Object.keys(output).length > 0 && { output_config: output }),
    temperature: checkTemperature(request.temperature),
    top_p: request.topP,
    top_k: request.topK,
    ...(request.stop.length > 0 && { stop_sequences: request.stop }),
    service_tier: encodeServiceTier(request.serviceTier, inexpressible),
    ...(endUser !== undefined && { metadata: { user_id: endUser } }),
    ...(request.stream && { stream: true }),
  };
};

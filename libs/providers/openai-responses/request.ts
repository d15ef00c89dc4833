import type {
  ChatRequest,
  OutputFormat,
  Reasoning,
  Seal,
  ToolChoice,
  ToolDefinition,
} from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import type { TranslatedInput } from '../provider.ts';
import { findUnwritten, STRUCTURE } from '../request-fields.ts';
import { encodeInput } from './input.ts';

const WRITTEN: ReadonlySet<keyof ChatRequest> = new Set<keyof ChatRequest>([
  'parallelToolCalls',
  'outputFormat',
  'reasoning',
  'maxOutputTokens',
  'temperature',
  'topP',
  'logprobs',
  'verbosity',
  'serviceTier',
  'endUser',
]);

const encodeTool = ({ name, description, inputSchema, strict }: ToolDefinition) => ({
  type: 'function',
  name,
  ...(description !== undefined && { description }),
  parameters: inputSchema,
  // The endpoint takes every function for strict unless it is told.
  strict: strict ?? false,
});

const encodeToolChoice = (choice: ToolChoice) =>
  choice.type === 'tool' ? { type: 'function', name: choice.name } : choice.type;

/** A schema must have a name here. */
const DEFAULT_SCHEMA_NAME = 'answer';

const encodeFormat = (format: OutputFormat): object =>
  format.type === 'json'
    ? { type: 'json_object' }
    : {
        type: 'json_schema',
        name: format.name ?? DEFAULT_SCHEMA_NAME,
        ...(format.description !== undefined && { description: format.description }),
        schema: format.schema,
        ...(format.strict !== undefined && { strict: format.strict }),
      };

const encodeReasoning = (
  { effort, budgetTokens, shown }: Reasoning,
  inexpressible: Inexpressible,
): object | undefined => {
  const asked = effort ?? (budgetTokens === 0 ? 'none' : undefined);
  if (asked === undefined && budgetTokens !== undefined) inexpressible.field('reasoning.budgetTokens');
  if (asked === 'max') inexpressible.field('reasoning.effort');
  const word = asked === 'max' ? undefined : asked;
  if (word === undefined && shown !== true) return undefined;
  return { ...(word !== undefined && { effort: word }), ...(shown === true && { summary: 'auto' }) };
};

const TIERS = { auto: 'auto', standard: 'default', flex: 'flex', priority: 'priority' } as const;

const LOGPROBS = 'message.output_text.logprobs';
const ENCRYPTED_REASONING = 'reasoning.encrypted_content';

/** Whether any part of the request is marked to be kept in a cache, which the endpoint decides by itself. */
const isMarked = ({ system, messages, tools }: ChatRequest): boolean => {
  const marks = (part: object): boolean => 'cacheControl' in part && part.cacheControl !== undefined;
  return system.some(marks) || tools.some(marks) || messages.some(({ content }) => content.some(marks));
};

const holdsOwnThoughts = ({ messages }: ChatRequest): boolean =>
  messages.some(({ content }) =>
    content.some((part) => part.type === 'reasoning' && part.seal?.origin === 'openai'),
  );

/** It shows what a model thought, and takes it back; a chat completion does neither. */
export const suitsResponses = (request: ChatRequest): boolean =>
  (request.reasoning?.shown === true || holdsOwnThoughts(request)) &&
  request.stop.length === 0 &&
  Object.entries(request).every(
    ([field, value]) =>
      value === undefined || STRUCTURE.has(field) || WRITTEN.has(field as keyof ChatRequest),
  );

/** The body of `POST /responses`; the provider is to keep nothing of it. */
export const encodeResponsesRequest = (
  { request, model, inexpressible }: TranslatedInput<ChatRequest>,
  sealsOf: Seal['origin'] | null,
): object => {
  findUnwritten(request, WRITTEN, inexpressible);
  if (request.stop.length > 0) inexpressible.field('stop');
  if (isMarked(request)) inexpressible.hint('cacheControl');
  const { tools, toolChoice, outputFormat, reasoning, logprobs, verbosity, serviceTier } = request;
  const hasTools = tools.length > 0;
  const hasText = outputFormat !== undefined || verbosity !== undefined;
  return {
    model,
    input: encodeInput(request.system, request.messages, sealsOf),
    tools: hasTools ? tools.map(encodeTool) : undefined,
    tool_choice: hasTools && toolChoice !== undefined ? encodeToolChoice(toolChoice) : undefined,
    parallel_tool_calls: hasTools ? request.parallelToolCalls : undefined,
    max_output_tokens: request.maxOutputTokens,
    temperature: request.temperature,
    top_p: request.topP,
    top_logprobs: logprobs,
    include: [ENCRYPTED_REASONING, ...(logprobs === undefined ? [] : [LOGPROBS])],
    text: hasText ? { format: outputFormat && encodeFormat(outputFormat), verbosity } : undefined,
    reasoning: reasoning && encodeReasoning(reasoning, inexpressible),
    service_tier: serviceTier && TIERS[serviceTier],
    user: request.endUser,
    store: false,
    stream: request.stream ? true : undefined,
  };
};

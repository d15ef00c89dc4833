import type { ChatRequest, OutputFormat, Reasoning, ToolChoice, ToolDefinition } from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import type { TranslatedInput } from '../provider.ts';
import { findUnwritten } from '../request-fields.ts';
import type { OpenaiDialect } from './dialect.ts';
import { encodeOpenaiMessages } from './messages.ts';

const encodeToolChoice = (choice: ToolChoice, { requiredToolChoice }: OpenaiDialect) => {
  if (choice.type === 'tool') return { type: 'function', function: { name: choice.name } };
  return choice.type === 'required' ? requiredToolChoice : choice.type;
};

const encodeTool = ({ name, description, inputSchema, strict }: ToolDefinition) => ({
  type: 'function',
  function: {
    name,
    ...(description !== undefined && { description }),
    parameters: inputSchema,
    ...(strict !== undefined && { strict }),
  },
});

/** A schema must have a name here. */
const DEFAULT_SCHEMA_NAME = 'answer';

const encodeOutputFormat = (
  format: OutputFormat,
  { takesSchemas }: OpenaiDialect,
  inexpressible: Inexpressible,
): object => {
  if (format.type === 'json') return { response_format: { type: 'json_object' } };
  if (!takesSchemas) {
    inexpressible.field('outputFormat');
    return {};
  }
  const { name, description, schema, strict } = format;
  return {
    response_format: {
      type: 'json_schema',
      json_schema: {
        name: name ?? DEFAULT_SCHEMA_NAME,
        ...(description !== undefined && { description }),
        schema,
        ...(strict !== undefined && { strict }),
      },
    },
  };
};

/** A budget of zero is the other way to say that nothing is to be thought. */
const effortOf = ({ effort, budgetTokens }: Reasoning): Reasoning['effort'] =>
  effort ?? (budgetTokens === 0 ? 'none' : undefined);

/** OpenRouter's object takes a budget, an effort, or the wish alone. */
const encodeReasoningObject = (reasoning: Reasoning, effort: string | undefined): object => {
  const { budgetTokens, shown } = reasoning;
  return {
    reasoning: {
      ...(effort !== undefined && { effort }),
      ...(effort === undefined && budgetTokens !== undefined && { max_tokens: budgetTokens }),
      ...(effort === undefined && budgetTokens === undefined && { enabled: true }),
      ...(shown !== undefined && { exclude: !shown }),
    },
  };
};

const encodeReasoning = (
  reasoning: Reasoning,
  { reasoning: words }: OpenaiDialect,
  inexpressible: Inexpressible,
): object => {
  const asked = effortOf(reasoning);
  const effort = asked === undefined ? undefined : words.efforts[asked];
  if (asked !== undefined && effort === undefined) inexpressible.field('reasoning.effort');
  if (words.asked === 'reasoning') return encodeReasoningObject(reasoning, effort);
  if (asked === undefined && reasoning.budgetTokens !== undefined) {
    inexpressible.field('reasoning.budgetTokens');
  }
  // Where everything that is thought is shown, wanting less is the surface's to fulfil.
  if (reasoning.shown === true && words.shown === 'never') inexpressible.field('reasoning.shown');
  const shown =
    words.shown === 'asked' && reasoning.shown !== undefined ? { include_reasoning: reasoning.shown } : {};
  if (words.asked === 'thinking') {
    return asked === 'none'
      ? { thinking: { type: 'disabled' } }
      : { thinking: { type: 'enabled' }, ...(effort !== undefined && { reasoning_effort: effort }) };
  }
  return { ...(effort !== undefined && { reasoning_effort: effort }), ...shown };
};

const encodeServiceTier = (
  tier: NonNullable<ChatRequest['serviceTier']>,
  { serviceTiers }: OpenaiDialect,
  inexpressible: Inexpressible,
): object => {
  const word = serviceTiers[tier];
  if (word === undefined) inexpressible.field('serviceTier');
  return word === undefined ? {} : { service_tier: word };
};

/** What a server without the field would do anyway. */
const asItWould = (request: ChatRequest, { fields }: OpenaiDialect): Set<keyof ChatRequest> => {
  const known = new Set(fields);
  if (request.parallelToolCalls === true || request.tools.length === 0) known.add('parallelToolCalls');
  if (request.serviceTier === 'auto' || request.serviceTier === 'standard') known.add('serviceTier');
  return known;
};

/** The body of `POST /chat/completions`. */
export const encodeOpenaiRequest = (
  { request, model, inexpressible }: TranslatedInput<ChatRequest>,
  dialect: OpenaiDialect,
): object => {
  const { fields } = dialect;
  const known = asItWould(request, dialect);
  if (request.endUser !== undefined && !fields.has('endUser')) {
    // Who asked is on the ledger already, and changes no answer.
    inexpressible.hint('endUser');
    known.add('endUser');
  }
  findUnwritten(request, known, inexpressible);
  const written = <Field extends keyof ChatRequest>(field: Field): ChatRequest[Field] | undefined =>
    fields.has(field) ? request[field] : undefined;
  const hasTools = request.tools.length > 0;
  const { outputFormat, reasoning, serviceTier, logprobs } = request;
  return {
    model,
    messages: encodeOpenaiMessages(request.system, request.messages, { dialect, inexpressible }),
    // The API refuses both options of tools where there are none.
    tools: hasTools ? request.tools.map(encodeTool) : undefined,
    tool_choice:
      request.toolChoice !== undefined && hasTools
        ? encodeToolChoice(request.toolChoice, dialect)
        : undefined,
    parallel_tool_calls: hasTools ? written('parallelToolCalls') : undefined,
    [dialect.maxOutputTokens]: request.maxOutputTokens,
    temperature: written('temperature'),
    top_p: written('topP'),
    top_k: written('topK'),
    frequency_penalty: written('frequencyPenalty'),
    presence_penalty: written('presencePenalty'),
    [dialect.seed]: written('seed'),
    ...(logprobs !== undefined && fields.has('logprobs') && { logprobs: true, top_logprobs: logprobs }),
    verbosity: written('verbosity'),
    ...(outputFormat !== undefined && encodeOutputFormat(outputFormat, dialect, inexpressible)),
    ...(reasoning !== undefined &&
      fields.has('reasoning') &&
      encodeReasoning(reasoning, dialect, inexpressible)),
    ...(serviceTier !== undefined &&
      fields.has('serviceTier') &&
      encodeServiceTier(serviceTier, dialect, inexpressible)),
    stop: request.stop.length > 0 ? request.stop : undefined,
    user: written('endUser'),
    ...(request.stream && {
      stream: true,
      ...(dialect.asksForUsage && { stream_options: { include_usage: true } }),
    }),
  };
};

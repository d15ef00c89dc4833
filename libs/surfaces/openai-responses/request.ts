import type { ChatRequest, OutputFormat, Reasoning, ToolChoice, ToolDefinition } from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import {
  findInexpressible,
  given,
  optional,
  readBody,
  readBoolean,
  readInteger,
  readList,
  readModel,
  readNumber,
  readObject,
  readPositiveInteger,
  readText,
  readTexts,
  refuse,
  type JsonObject,
} from '../field-reader.ts';
import { readMetadata } from '../openai/metadata.ts';
import {
  CACHE_HINTS,
  narrowTools,
  readEffort,
  readFormatType,
  readFunctionName,
  readFunctionTool,
  readJsonSchemaFormat,
  readServiceTier,
  readVerbosity,
} from '../openai/options.ts';
import type { ClientRequest, DecodeInput } from '../surface.ts';
import { readInput } from './input.ts';

const checkInput = (body: JsonObject): void => {
  const { input } = body;
  // A stored prompt or conversation may be all there is to say.
  if (input === undefined || input === null) {
    if (body['prompt'] || body['conversation'] || body['previous_response_id']) return;
  } else if (typeof input === 'string') return;
  if (!Array.isArray(input) || input.length === 0) {
    refuse('input', 'must be a text or a list with at least one item.');
  } else input.forEach((item, index) => readObject(item, `input.${index}`));
};

export const readResponsesRequest = (value: unknown): ClientRequest => {
  const body = readBody(value);
  const model = readModel(body);
  checkInput(body);
  if (optional(body, 'background', readBoolean) === true) {
    refuse(
      'background',
      'answers cannot be fetched later from here: send the request to POST /v1/jobs, or leave it out.',
    );
  }
  return {
    model,
    stream: optional(body, 'stream', readBoolean) ?? false,
    streamFraming: 'sse',
    maxOutputTokens: optional(body, 'max_output_tokens', readPositiveInteger) ?? null,
    endUser: optional(body, 'user', readText) ?? optional(body, 'safety_identifier', readText) ?? null,
    metadata: readMetadata(body),
  };
};

/** What a provider keeps for later turns is a part of the question: it is never dropped. */
const refuseKept = (body: JsonObject): void => {
  for (const field of ['previous_response_id', 'conversation', 'prompt']) {
    if (body[field] === undefined || body[field] === null) continue;
    refuse(field, 'is kept by the provider that made it: send it all as input for a model of this provider.');
  }
};

const readTool = (value: unknown, param: string, inexpressible: Inexpressible): ToolDefinition[] => {
  const tool = readObject(value, param);
  if (tool['type'] === 'function') return [readFunctionTool(tool, `${param}.`, inexpressible)];
  // Everything else runs on the provider's side, and is the provider's alone.
  inexpressible.param(param);
  return [];
};

const readToolUse = (
  body: JsonObject,
  inexpressible: Inexpressible,
): Pick<ChatRequest, 'tools' | 'toolChoice'> => {
  const tools = (optional(body, 'tools', readList) ?? []).flatMap((tool, index) =>
    readTool(tool, `tools.${index}`, inexpressible),
  );
  const choice = body['tool_choice'];
  if (choice === undefined || choice === null) return { tools };
  if (choice === 'auto' || choice === 'none' || choice === 'required') {
    return { tools, toolChoice: { type: choice } };
  }
  const object = readObject(choice, 'tool_choice');
  if (object['type'] !== 'allowed_tools') {
    const toolChoice: ToolChoice = { type: 'tool', name: readFunctionName(choice, 'tool_choice') };
    return { tools, toolChoice };
  }
  const names = readList(object['tools'], 'tool_choice.tools').map((tool, index) =>
    readFunctionName(tool, `tool_choice.tools.${index}`),
  );
  return narrowTools(tools, { mode: object['mode'], names, param: 'tool_choice' });
};

const readReasoning = (value: unknown, param: string): Reasoning => {
  const reasoning = readObject(value, param);
  const summary =
    optional(reasoning, 'summary', readText, `${param}.`) ??
    optional(reasoning, 'generate_summary', readText, `${param}.`);
  return given({
    effort: optional(reasoning, 'effort', readEffort, `${param}.`),
    shown: summary === undefined ? undefined : true,
  });
};

const readOutputFormat = (text: JsonObject): OutputFormat | undefined => {
  const format = optional(text, 'format', readObject, 'text.');
  if (format === undefined) return undefined;
  switch (readFormatType(format, 'text.format')) {
    case 'text':
      return undefined;
    case 'json_object':
      return { type: 'json' };
    case 'json_schema':
      return readJsonSchemaFormat(format, 'text.format.');
  }
};

const LOGPROBS = 'message.output_text.logprobs';
/** What the answer always holds where it is there. */
const INCLUDED_ANYWAY = new Set([LOGPROBS, 'reasoning.encrypted_content']);

const EXPRESSIBLE = new Set([
  'model',
  'input',
  'instructions',
  'stream',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'max_output_tokens',
  'temperature',
  'top_p',
  'top_logprobs',
  'text',
  'reasoning',
  'include',
  'service_tier',
  'user',
]);

const always = (): boolean => true;
const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

/** Values of other fields that ask for nothing the answer would lack. */
const CHANGES_NOTHING: Readonly<Record<string, (value: unknown) => boolean>> = {
  // They are flo2's labels.
  metadata: always,
  stream_options: always,
  // It bounds tools of the provider's side, of which there are none.
  max_tool_calls: always,
  store: (value) => value === false,
  background: (value) => value === false,
  truncation: (value) => value === 'disabled',
  context_management: isEmpty,
};

const HINTS = new Set<string>(CACHE_HINTS);

export const decodeResponsesRequest = ({ body: value, stream, inexpressible }: DecodeInput): ChatRequest => {
  const body = readBody(value);
  refuseKept(body);
  findInexpressible(
    body,
    { expressible: EXPRESSIBLE, changesNothing: CHANGES_NOTHING, hints: HINTS },
    inexpressible,
  );
  const include = optional(body, 'include', readTexts) ?? [];
  if (include.some((name) => !INCLUDED_ANYWAY.has(name))) inexpressible.param('include');
  const text = optional(body, 'text', readObject) ?? {};
  const instructions = optional(body, 'instructions', readText) ?? '';
  const { system, messages } = readInput(body['input'], inexpressible);
  return {
    stream,
    system: [...(instructions === '' ? [] : [{ type: 'text' as const, text: instructions }]), ...system],
    messages,
    ...readToolUse(body, inexpressible),
    stop: [],
    ...given({
      parallelToolCalls: optional(body, 'parallel_tool_calls', readBoolean),
      outputFormat: readOutputFormat(text),
      reasoning: optional(body, 'reasoning', readReasoning),
      maxOutputTokens: optional(body, 'max_output_tokens', readPositiveInteger),
      temperature: optional(body, 'temperature', readNumber),
      topP: optional(body, 'top_p', readNumber),
      logprobs: include.includes(LOGPROBS) ? (optional(body, 'top_logprobs', readInteger) ?? 0) : undefined,
      verbosity: readVerbosity(text, 'text.'),
      serviceTier: readServiceTier(body, inexpressible),
      endUser: optional(body, 'user', readText),
    }),
  };
};

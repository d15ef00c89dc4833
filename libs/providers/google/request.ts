import type {
  ChatRequest,
  OutputFormat,
  Reasoning,
  ReasoningEffort,
  ToolChoice,
  ToolDefinition,
} from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import type { TranslatedInput } from '../provider.ts';
import { sayInstructionsAsUser } from '../later-instructions.ts';
import { findUnwritten } from '../request-fields.ts';
import { ContentsWriter } from './contents.ts';

const encodeTool = ({ name, description, inputSchema }: ToolDefinition) => ({
  name,
  ...(description !== undefined && { description }),
  parametersJsonSchema: inputSchema,
});

const MODES = { auto: 'AUTO', none: 'NONE', required: 'ANY', tool: 'ANY' } as const;

/** Arguments that must match their schema have a mode of their own; where a call is demanded they do anyway. */
const encodeToolConfig = (tools: readonly ToolDefinition[], choice: ToolChoice | undefined): object => {
  const isStrict = tools.some(({ strict }) => strict === true);
  if (tools.length === 0 || (choice === undefined && !isStrict)) return {};
  const type = choice?.type ?? 'auto';
  return {
    toolConfig: {
      functionCallingConfig: {
        mode: type === 'auto' && isStrict ? 'VALIDATED' : MODES[type],
        ...(choice?.type === 'tool' && { allowedFunctionNames: [choice.name] }),
      },
    },
  };
};

const encodeOutputFormat = (format: OutputFormat | undefined): object => {
  if (format === undefined) return {};
  return {
    responseMimeType: 'application/json',
    ...(format.type === 'json_schema' && { responseJsonSchema: format.schema }),
  };
};

/** Models of the second generation take a budget; these are the ones Google's own translation uses. */
const TAKES_BUDGETS = /^(?:models\/)?gemini-2/;
const BUDGETS: Readonly<Partial<Record<ReasoningEffort, number>>> = {
  none: 0,
  minimal: 1_024,
  low: 1_024,
  medium: 8_192,
  high: 24_576,
};
const LEVELS: Readonly<Partial<Record<ReasoningEffort, object>>> = {
  none: { thinkingBudget: 0 },
  minimal: { thinkingLevel: 'MINIMAL' },
  low: { thinkingLevel: 'LOW' },
  medium: { thinkingLevel: 'MEDIUM' },
  high: { thinkingLevel: 'HIGH' },
};
/** "As much as the model finds right". */
const DYNAMIC_BUDGET = -1;

const encodeAmount = (
  { effort, budgetTokens }: Reasoning,
  model: string,
  inexpressible: Inexpressible,
): object => {
  if (budgetTokens !== undefined) return { thinkingBudget: budgetTokens };
  const takesBudget = TAKES_BUDGETS.test(model);
  if (effort === undefined) return takesBudget ? { thinkingBudget: DYNAMIC_BUDGET } : {};
  const budget = BUDGETS[effort];
  const amount = takesBudget && budget !== undefined ? { thinkingBudget: budget } : LEVELS[effort];
  if (amount === undefined) inexpressible.field('reasoning.effort');
  return amount ?? {};
};

const encodeThinking = (
  reasoning: Reasoning | undefined,
  model: string,
  inexpressible: Inexpressible,
): object => {
  if (reasoning === undefined) return {};
  const { shown } = reasoning;
  return {
    thinkingConfig: {
      ...encodeAmount(reasoning, model, inexpressible),
      ...(shown !== undefined && { includeThoughts: shown }),
    },
  };
};

const WRITTEN: readonly (keyof ChatRequest)[] = [
  'outputFormat',
  'reasoning',
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'frequencyPenalty',
  'presencePenalty',
  'seed',
  'logprobs',
  'serviceTier',
];

const knownFields = (request: ChatRequest): Set<keyof ChatRequest> => {
  const known = new Set(WRITTEN);
  // Models call as many functions at once as they like, which can only be asked not to be changed.
  if (request.parallelToolCalls === true || request.tools.length === 0) known.add('parallelToolCalls');
  return known;
};

/** The body of `generateContent`: https://ai.google.dev/api/generate-content */
export const encodeGeminiRequest = ({
  request,
  model,
  inexpressible,
}: TranslatedInput<ChatRequest>): object => {
  const known = knownFields(request);
  if (request.endUser !== undefined) {
    // Who asked is on the ledger already, and changes no answer.
    inexpressible.hint('endUser');
    known.add('endUser');
  }
  findUnwritten(request, known, inexpressible);
  const { tools, toolChoice, serviceTier, logprobs } = request;
  const writer = new ContentsWriter(model, inexpressible);
  const system = request.system.flatMap((part) => writer.writeText(part));
  for (const { cacheControl } of tools) if (cacheControl !== undefined) inexpressible.hint('cacheControl');
  const config = {
    stopSequences: request.stop.length > 0 ? request.stop : undefined,
    maxOutputTokens: request.maxOutputTokens,
    temperature: request.temperature,
    topP: request.topP,
    topK: request.topK,
    frequencyPenalty: request.frequencyPenalty,
    presencePenalty: request.presencePenalty,
    seed: request.seed,
    ...(logprobs !== undefined && { responseLogprobs: true, ...(logprobs > 0 && { logprobs }) }),
    ...encodeOutputFormat(request.outputFormat),
    ...encodeThinking(request.reasoning, model, inexpressible),
  };
  const isConfigured = Object.values(config).some((value) => value !== undefined);
  return {
    ...(system.length > 0 && { systemInstruction: { parts: system } }),
    contents: writer.write(sayInstructionsAsUser(request.messages, inexpressible)),
    ...(tools.length > 0 && { tools: [{ functionDeclarations: tools.map(encodeTool) }] }),
    ...encodeToolConfig(tools, toolChoice),
    ...(isConfigured && { generationConfig: config }),
    ...(serviceTier !== undefined && serviceTier !== 'auto' && { serviceTier }),
  };
};

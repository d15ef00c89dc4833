import type { ChatRequest, OutputFormat, Reasoning, ReasoningEffort } from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import {
  findInexpressible,
  given,
  optional,
  readBoolean,
  readInteger,
  readNumber,
  readPositiveInteger,
  readSchema,
  readText,
  readTexts,
  refuse,
  type JsonObject,
} from '../field-reader.ts';
import { readApiMessage } from './message.ts';
import { readApiSchema } from './schema.ts';

const AT = 'generationConfig.';
/** The API's word for "as much as the model finds right". */
const DYNAMIC_BUDGET = -1;

const EFFORTS: Readonly<Record<string, ReasoningEffort>> = {
  MINIMAL: 'minimal',
  LOW: 'low',
  MEDIUM: 'medium',
  HIGH: 'high',
};

const readThinking = (value: unknown, param: string): Reasoning => {
  const config = readApiMessage(value, param);
  const level = optional(config, 'thinkingLevel', readText, `${param}.`)?.toUpperCase();
  const budget = optional(config, 'thinkingBudget', readInteger, `${param}.`);
  const effort = level === undefined ? undefined : EFFORTS[level];
  if (level !== undefined && effort === undefined && level !== 'THINKING_LEVEL_UNSPECIFIED') {
    refuse(`${param}.thinkingLevel`, 'must be "MINIMAL", "LOW", "MEDIUM" or "HIGH".');
  }
  if (budget !== undefined && budget < DYNAMIC_BUDGET) {
    refuse(`${param}.thinkingBudget`, 'must be -1, 0 or a number of tokens.');
  }
  return given({
    effort,
    budgetTokens: budget === DYNAMIC_BUDGET ? undefined : budget,
    shown: optional(config, 'includeThoughts', readBoolean, `${param}.`),
  });
};

const readOutputFormat = (config: JsonObject): OutputFormat | undefined => {
  const mediaType = optional(config, 'responseMimeType', readText, AT) ?? 'text/plain';
  const schema =
    optional(config, 'responseJsonSchema', readSchema, AT) ??
    optional(config, 'responseSchema', readApiSchema, AT);
  switch (mediaType) {
    case 'text/plain':
      if (schema === undefined) return undefined;
      return refuse(`${AT}responseMimeType`, 'must be "application/json" where there is a schema.');
    case 'application/json':
      return schema === undefined ? { type: 'json' } : { type: 'json_schema', schema, strict: true };
    default:
      return refuse(
        `${AT}responseMimeType`,
        'must be "text/plain" or "application/json" for a model of this provider.',
      );
  }
};

const EXPRESSIBLE = new Set([
  'stopSequences',
  'responseMimeType',
  'responseSchema',
  'responseJsonSchema',
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'seed',
  'presencePenalty',
  'frequencyPenalty',
  'responseLogprobs',
  'thinkingConfig',
]);

const CHANGES_NOTHING: Readonly<Record<string, (value: unknown) => boolean>> = {
  candidateCount: (value) => value === 1,
  // The count of alternatives to what is not asked for; else it is read.
  logprobs: () => true,
  responseModalities: (value) => JSON.stringify(value).toUpperCase() === '["TEXT"]',
};

export const readMaxOutputTokens = (body: JsonObject): number | undefined => {
  const config = optional(body, 'generationConfig', readApiMessage);
  return config && optional(config, 'maxOutputTokens', readPositiveInteger, AT);
};

type Configured = Omit<ChatRequest, 'stream' | 'system' | 'messages' | 'tools'>;

export const readGenerationConfig = (body: JsonObject, inexpressible: Inexpressible): Configured => {
  const config = optional(body, 'generationConfig', readApiMessage) ?? {};
  findInexpressible(
    config,
    { expressible: EXPRESSIBLE, changesNothing: CHANGES_NOTHING, prefix: AT },
    inexpressible,
  );
  const wantsLogprobs = optional(config, 'responseLogprobs', readBoolean, AT) ?? false;
  return given({
    outputFormat: readOutputFormat(config),
    reasoning: optional(config, 'thinkingConfig', readThinking, AT),
    maxOutputTokens: optional(config, 'maxOutputTokens', readPositiveInteger, AT),
    temperature: optional(config, 'temperature', readNumber, AT),
    topP: optional(config, 'topP', readNumber, AT),
    topK: optional(config, 'topK', readPositiveInteger, AT),
    seed: optional(config, 'seed', readInteger, AT),
    presencePenalty: optional(config, 'presencePenalty', readNumber, AT),
    frequencyPenalty: optional(config, 'frequencyPenalty', readNumber, AT),
    logprobs: wantsLogprobs ? (optional(config, 'logprobs', readInteger, AT) ?? 0) : undefined,
    stop: optional(config, 'stopSequences', readTexts, AT) ?? [],
  });
};

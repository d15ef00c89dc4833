import type { Surface } from '../surface.ts';
import { encodeGeminiError, encodeGeminiStreamError } from './errors.ts';

/** What the endpoints of the API share. */
export const GEMINI_DIALECT = {
  forwardedHeaders: [],
  paramNames: {
    system: 'systemInstruction',
    messages: 'contents',
    toolChoice: 'toolConfig.functionCallingConfig',
    parallelToolCalls: 'toolConfig',
    outputFormat: 'generationConfig.responseSchema',
    reasoning: 'generationConfig.thinkingConfig',
    'reasoning.effort': 'generationConfig.thinkingConfig.thinkingLevel',
    'reasoning.budgetTokens': 'generationConfig.thinkingConfig.thinkingBudget',
    'reasoning.shown': 'generationConfig.thinkingConfig.includeThoughts',
    maxOutputTokens: 'generationConfig.maxOutputTokens',
    temperature: 'generationConfig.temperature',
    topP: 'generationConfig.topP',
    topK: 'generationConfig.topK',
    frequencyPenalty: 'generationConfig.frequencyPenalty',
    presencePenalty: 'generationConfig.presencePenalty',
    seed: 'generationConfig.seed',
    logprobs: 'generationConfig.responseLogprobs',
    serviceTier: 'serviceTier',
    stop: 'generationConfig.stopSequences',
    dimensions: 'outputDimensionality',
    taskType: 'taskType',
  },
  encodeError: encodeGeminiError,
  encodeStreamError: encodeGeminiStreamError,
} as const satisfies Partial<Surface>;

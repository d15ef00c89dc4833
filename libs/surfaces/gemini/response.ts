import type { AssistantPart, ChatResponse, Citation, FinishReason, TokenLogprob } from '#contracts/inference';
import type { Usage } from '#contracts/usage';
import { parseArguments } from '../call-arguments.ts';
import { writeSeal } from '../seal-text.ts';
import { answerTokensOf, promptTokensOf } from '../token-totals.ts';

const FINISH_REASONS: Readonly<Record<FinishReason, string>> = {
  stop: 'STOP',
  stop_sequence: 'STOP',
  length: 'MAX_TOKENS',
  tool_calls: 'STOP',
  content_filter: 'SAFETY',
};

export const encodeFinishReason = (reason: FinishReason): string => FINISH_REASONS[reason];

const TIERS: Readonly<Record<string, string>> = {
  standard: 'standard',
  default: 'standard',
  on_demand: 'standard',
  flex: 'flex',
  priority: 'priority',
};

const encodeModalities = ({ tokens }: Usage, total: number): object[] => {
  const audio = tokens.input_audio ?? 0;
  const image = tokens.input_image ?? 0;
  return [
    { modality: 'TEXT', tokenCount: total - audio - image },
    ...(image > 0 ? [{ modality: 'IMAGE', tokenCount: image }] : []),
    ...(audio > 0 ? [{ modality: 'AUDIO', tokenCount: audio }] : []),
  ];
};

/** As the API counts: the prompt with its cached part, the candidates without their thoughts. */
export const encodeUsage = (usage: Usage): object => {
  const { tokens, reasoning, serviceTier } = usage;
  const prompt = promptTokensOf(tokens);
  const answer = answerTokensOf(tokens);
  const tier = serviceTier === undefined ? undefined : TIERS[serviceTier];
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: answer - (reasoning ?? 0),
    totalTokenCount: prompt + answer,
    ...(tokens.cache_read !== undefined && { cachedContentTokenCount: tokens.cache_read }),
    promptTokensDetails: encodeModalities(usage, prompt),
    ...(reasoning !== undefined && { thoughtsTokenCount: reasoning }),
    ...(tier !== undefined && { serviceTier: tier }),
  };
};

export const encodePart = (part: AssistantPart): object => {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return { text: part.text };
    case 'reasoning': {
      const signature = part.seal && { thoughtSignature: writeSeal(part.seal, 'google') };
      // The API puts a signature that is not a thought's on a part without text.
      const isThought = part.text !== '' || part.seal?.origin !== 'google';
      return { text: part.text, ...(isThought && { thought: true }), ...signature };
    }
    case 'tool_call':
      return {
        functionCall: { id: part.id, name: part.name, args: parseArguments(part) },
        ...(part.seal !== undefined && { thoughtSignature: writeSeal(part.seal, 'google') }),
      };
  }
};

const bytesOf = (text: string): number => Buffer.byteLength(text);

/** The API's positions count bytes of the whole candidate's text. */
export const encodeCitation = (
  { url, title, start, end }: Citation,
  text: string,
  bytesBefore: number,
): object => ({
  ...(start !== undefined && { startIndex: bytesBefore + bytesOf(text.slice(0, start)) }),
  ...(end !== undefined && { endIndex: bytesBefore + bytesOf(text.slice(0, end)) }),
  ...(url !== undefined && { uri: url }),
  ...(title !== undefined && { title }),
});

const citationSourcesOf = (content: readonly AssistantPart[]): object[] => {
  const sources: object[] = [];
  let bytes = 0;
  for (const part of content) {
    if (part.type !== 'text' && part.type !== 'refusal') continue;
    const citations = part.type === 'text' ? (part.citations ?? []) : [];
    for (const citation of citations) sources.push(encodeCitation(citation, part.text, bytes));
    bytes += bytesOf(part.text);
  }
  return sources;
};

export const encodeLogprobs = (tokens: readonly TokenLogprob[]): object => ({
  chosenCandidates: tokens.map(({ token, logprob }) => ({ token, logProbability: logprob })),
  ...(tokens.some(({ alternatives }) => alternatives.length > 0) && {
    topCandidates: tokens.map(({ alternatives }) => ({
      candidates: alternatives.map(({ token, logprob }) => ({ token, logProbability: logprob })),
    })),
  }),
});

export const encodeGenerateResponse = (response: ChatResponse): object => {
  const { id, model, content, finishReason, logprobs, usage } = response;
  const sources = citationSourcesOf(content);
  return {
    candidates: [
      {
        content: { parts: content.map(encodePart), role: 'model' },
        finishReason: encodeFinishReason(finishReason),
        index: 0,
        ...(sources.length > 0 && { citationMetadata: { citationSources: sources } }),
        ...(logprobs !== undefined && { logprobsResult: encodeLogprobs(logprobs) }),
      },
    ],
    ...(usage.source !== 'none' && { usageMetadata: encodeUsage(usage) }),
    modelVersion: model,
    responseId: id,
  };
};

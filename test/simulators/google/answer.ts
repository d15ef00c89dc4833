import type { Answer } from '../answer.ts';
import type { AnswerToEncode, StreamEvent } from '../provider.ts';
import { encryptReasoning } from '../seal.ts';

type Fields = Record<string, unknown>;

const finishReason = ({ stop }: Answer): string => {
  switch (stop.kind) {
    case 'end':
    case 'tool_calls':
    case 'stop_sequence':
      return 'STOP';
    case 'length':
      return 'MAX_TOKENS';
    case 'refusal':
      return 'SAFETY';
  }
};

const SAFETY_RATINGS = [{ category: 'HARM_CATEGORY_DANGEROUS_CONTENT', probability: 'HIGH', blocked: true }];

const text = (tokenCount: number) => [{ modality: 'TEXT', tokenCount }];

/** `outputTokens` counts thoughts in, as the charge does; on the wire they stand apart. */
const usageOf = ({ answer, behaviour }: AnswerToEncode, outputTokens: number): unknown => {
  if (behaviour.rawUsage !== undefined) return behaviour.rawUsage;
  const { tokens } = answer;
  const prompt = tokens.input + tokens.cache_read;
  const thoughts = Math.min(tokens.reasoning, outputTokens);
  const candidates = outputTokens - thoughts;
  return {
    promptTokenCount: prompt,
    ...(candidates > 0 ? { candidatesTokenCount: candidates } : {}),
    totalTokenCount: prompt + outputTokens,
    ...(tokens.cache_read > 0
      ? { cachedContentTokenCount: tokens.cache_read, cacheTokensDetails: text(tokens.cache_read) }
      : {}),
    promptTokensDetails: text(prompt),
    ...(thoughts > 0 ? { thoughtsTokenCount: thoughts } : {}),
    serviceTier: 'standard',
  };
};

const envelope = (input: AnswerToEncode, outputTokens: number): Fields => ({
  ...(input.behaviour.omitUsage === true ? {} : { usageMetadata: usageOf(input, outputTokens) }),
  modelVersion: input.request.model,
  responseId: input.context.unique.slice(0, 23),
});

/** The older models name no call; the newer ones do. */
const callPart = ({ answer, request, context }: AnswerToEncode, index: number): Fields => {
  const call = answer.toolCalls[index];
  let args: unknown;
  try {
    args = JSON.parse(call?.fragments.join('') ?? '');
  } catch {
    // Cut off by the limit: the API gives no arguments then.
    args = {};
  }
  return {
    functionCall: {
      ...(request.model.startsWith('gemini-3') ? { id: `${context.unique.slice(0, 6)}${index}` } : {}),
      name: call?.name ?? '',
      args,
    },
    ...(index === 0 && answer.tokens.reasoning > 0
      ? { thoughtSignature: encryptReasoning(answer.thinking.join('')) }
      : {}),
  };
};

const signatureOfText = ({ answer }: AnswerToEncode): Fields =>
  answer.tokens.reasoning > 0 ? { thoughtSignature: encryptReasoning(answer.thinking.join('')) } : {};

const isBlocked = ({ answer }: AnswerToEncode): boolean => answer.stop.kind === 'refusal';

const partsOf = (input: AnswerToEncode): Fields[] => {
  const { answer } = input;
  const said = answer.text.join('');
  const thought = answer.thinking.join('');
  const parts: Fields[] = thought === '' ? [] : [{ text: thought, thought: true }];
  if (answer.toolCalls.length > 0) parts.push(...answer.toolCalls.map((_, index) => callPart(input, index)));
  else if (said !== '') parts.push({ text: said, ...signatureOfText(input) });
  return parts;
};

const LOGPROB = -0.25;
const logprobsOf = (tokens: readonly string[]) => ({
  topCandidates: tokens.map((token) => ({ candidates: [{ token, tokenId: 1, logProbability: LOGPROB }] })),
  chosenCandidates: tokens.map((token) => ({ token, tokenId: 1, logProbability: LOGPROB })),
});

const wantsLogprobs = ({ request }: AnswerToEncode): boolean =>
  Reflect.get(Object(request.echo?.['generationConfig']), 'responseLogprobs') === true;

export const encodeGenerateContent = (input: AnswerToEncode): string => {
  const { answer } = input;
  const candidate = {
    content: isBlocked(input) ? {} : { parts: partsOf(input), role: 'model' },
    finishReason: finishReason(answer),
    index: 0,
    ...(isBlocked(input) ? { safetyRatings: SAFETY_RATINGS } : {}),
    ...(wantsLogprobs(input) ? { avgLogprobs: LOGPROB, logprobsResult: logprobsOf(answer.text) } : {}),
  };
  const whole = { candidates: [candidate], ...envelope(input, answer.tokens.output) };
  return `${JSON.stringify(whole, null, 2)}\n`;
};

type Chunk = { parts: Fields[]; tokens: number; said: string[] };

function* chunksOf(input: AnswerToEncode): Generator<Chunk> {
  const { answer } = input;
  for (const token of answer.thinking) yield { parts: [{ text: token, thought: true }], tokens: 1, said: [] };
  if (isBlocked(input)) return;
  for (const [index, call] of answer.toolCalls.entries())
    yield { parts: [callPart(input, index)], tokens: 1 + call.fragments.length, said: [] };
  if (answer.toolCalls.length > 0) return;
  for (const token of answer.text) yield { parts: [{ text: token }], tokens: 1, said: [token] };
}

export const SSE = (json: string): string => `data: ${json}\r\n\r\n`;

/** As server-sent events, or as the elements of one JSON array. */
export function* encodeGenerateContentStream(
  input: AnswerToEncode,
  isArray: boolean,
): Generator<StreamEvent> {
  const { answer } = input;
  let outputTokens = answer.thinking.length === 0 ? answer.tokens.reasoning : 0;
  let count = 0;
  const event = (candidate: Fields, isEndMark: boolean): StreamEvent => {
    const json = JSON.stringify({ candidates: [candidate], ...envelope(input, outputTokens) });
    count += 1;
    const element = `${count === 1 ? '[' : ',\r\n'}${json}${isEndMark ? '\n]' : ''}`;
    return { text: isArray ? element : SSE(json), outputTokens, isEndMark };
  };
  for (const { parts, tokens, said } of chunksOf(input)) {
    outputTokens += tokens;
    const logprobs = wantsLogprobs(input) && said.length > 0 ? { logprobsResult: logprobsOf(said) } : {};
    yield event({ content: { parts, role: 'model' }, index: 0, ...logprobs }, false);
  }
  outputTokens = answer.tokens.output;
  const closing = answer.toolCalls.length > 0 ? {} : signatureOfText(input);
  yield event(
    {
      content: isBlocked(input) ? {} : { parts: [{ text: '', ...closing }], role: 'model' },
      finishReason: finishReason(answer),
      index: 0,
      ...(isBlocked(input) ? { safetyRatings: SAFETY_RATINGS } : {}),
    },
    true,
  );
}

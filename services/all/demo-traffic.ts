/** A little traffic for the demo, over the address that its users call. */
import { DEMO_ROUTE } from './demo-tenant.ts';

const REQUESTS = 24;
const REQUEST_TIMEOUT_MS = 30_000;

const TEAMS = ['search', 'support', 'research'];
const QUESTIONS = [
  'What is a work queue?',
  'Why do exact sums need integers?',
  'Name three uses of a gateway.',
  'How does a fallback differ from a retry?',
];
const MODELS = [
  'openai/gpt-4o-mini',
  'anthropic/claude-haiku-4-5',
  DEMO_ROUTE,
  'google/gemini-2.5-flash',
  'mistral/mistral-small-latest',
  'groq/llama-3.3-70b-versatile',
  'openrouter/anthropic/claude-sonnet-4.5',
  'openai_compatible/meta-llama/Llama-3.3-70B-Instruct',
];

const pick = (choices: readonly string[], index: number): string => choices[index % choices.length] ?? '';

const send = async (url: string, apiKey: string, index: number): Promise<boolean> => {
  const model = pick(MODELS, index);
  const isAnthropic = index % 3 === 1;
  const answer = await fetch(`${url}${isAnthropic ? '/v1/messages' : '/v1/chat/completions'}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
      'x-flo2-team': pick(TEAMS, Math.floor(index / MODELS.length)),
      'x-flo2-feature': 'demo',
      ...(isAnthropic ? { 'anthropic-version': '2023-06-01' } : {}),
    },
    body: JSON.stringify({
      model,
      max_tokens: 200,
      stream: index % 2 === 0,
      messages: [{ role: 'user', content: pick(QUESTIONS, index) }],
    }),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  await answer.text();
  return answer.ok;
};

/** Resolves to how many requests were sent and how many of them were answered well. */
export const sendDemoTraffic = async (
  url: string,
  apiKey: string,
): Promise<{ sent: number; answered: number }> => {
  let answered = 0;
  for (let index = 0; index < REQUESTS; index += 1) {
    if (await send(url, apiKey, index).catch(() => false)) answered += 1;
  }
  return { sent: REQUESTS, answered };
};

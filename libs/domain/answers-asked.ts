/** More than any provider gives at once. */
const ANSWERS_MAX = 128;

const asRecord = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** How many answers a request asks for: OpenAI's `n`, Gemini's `generationConfig.candidateCount`. */
export const answersAskedBy = (body: unknown): number => {
  const { n, generationConfig } = asRecord(body);
  const asked = n ?? asRecord(generationConfig)['candidateCount'];
  return typeof asked === 'number' && asked >= 1 ? Math.min(Math.ceil(asked), ANSWERS_MAX) : 1;
};

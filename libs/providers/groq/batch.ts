import { createOpenaiBatch } from '../openai/batch.ts';

const DAY_HOURS = 24;

/** Groq, OpenAI's batch API with longer windows: https://console.groq.com/docs/batch */
export const groqBatch = createOpenaiBatch({
  // Its guide says 200 MB a file, its client library 100.
  limits: { lines: 50_000, bytes: 100 * 1000 * 1000 },
  windowHours: { min: DAY_HOURS, max: 7 * DAY_HOURS },
  windowOf: (hours) => (hours < 2 * DAY_HOURS ? '24h' : `${Math.floor(hours / DAY_HOURS)}d`),
  paths: new Set(['/chat/completions']),
  urlPrefix: '/v1',
});

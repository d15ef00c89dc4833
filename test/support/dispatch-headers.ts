import type { DispatchHeader } from '#contracts/dispatch';
import { EVENT_TIME_MS, seededMint } from './attempt-events.ts';

const mint = seededMint(3, EVENT_TIME_MS);
const fixed = { tenantId: mint.mint('ten'), apiKeyId: mint.mint('akey') };
const providerKeyIds = [mint.mint('pkey')];

/** A line of a batch for gpt-4o-mini with one key, with a request id of its own. */
export const dispatchHeaderOf = (changes: Partial<DispatchHeader> = {}): DispatchHeader => ({
  version: 1,
  requestId: mint.mint('req'),
  ...fixed,
  lane: 'batch',
  surface: 'openai-chat',
  stream: false,
  streamFraming: 'sse',
  dropInexpressible: false,
  requestedModel: 'openai/gpt-4o-mini',
  route: null,
  attribution: { tags: {} },
  forwardedHeaders: {},
  plan: {
    steps: [{ provider: 'openai', model: 'gpt-4o-mini', providerKeyIds }],
    maxAttempts: 3,
    attemptTimeoutMs: 1_000,
  },
  holds: [],
  step: 0,
  reservation: null,
  firstAttempt: 1,
  ingressId: null,
  workItem: { id: mint.mint('job'), round: 1 },
  admittedAtMs: 1,
  deadlineAtMs: 2,
  ...changes,
});

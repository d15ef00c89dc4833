/** Sends the webhooks that transactions have written: each until it is taken, or three days have passed. */
import { FloError } from '#domain/errors';
import type { Logger, Vault } from '#domain/ports';
import { judgeWebhookTry, type WebhookTry } from '#domain/webhook-schedule';
import { signWebhook } from '#domain/webhook-signature';
import type { UpstreamClient } from '#http/upstream-client';
import type { DueWebhook, WebhookDeliveries, WebhookOutcome } from '#postgres/webhook-deliveries';
import { faultPoint } from './fault-point.ts';
import type { Service } from './service.ts';

export type WebhookSenderOptions = {
  deliveries: WebhookDeliveries;
  vault: Vault;
  http: UpstreamClient;
  logger: Logger;
  /** How often it looks for what is due. @default 1_000 */
  pollMs?: number;
};

const POLL_MS = 1_000;
const TRY_TIMEOUT_MS = 15_000;
/** Under way at once; of one address only one, so that a slow one takes no place from the others. */
const SENDING_MAX = 32;
const FORGET_INTERVAL_MS = 3_600_000;

const retryAfterOf = (header: string | string[] | undefined): number | null => {
  const seconds = typeof header === 'string' && /^\d{1,6}$/.test(header) ? Number(header) : null;
  return seconds === null ? null : seconds * 1_000;
};

const openSecrets = (vault: Vault, due: DueWebhook): string[] => {
  const { wrapped, version } = due.dataKey;
  const owner = { tenantId: due.tenantId, dataKeyVersion: version, webhookEndpointId: due.endpointId };
  const secrets = [vault.open(wrapped, { ...owner, secretVersion: due.secretVersion }, due.sealed)];
  if (due.previousSealed !== null) {
    secrets.push(vault.open(wrapped, { ...owner, secretVersion: due.secretVersion - 1 }, due.previousSealed));
  }
  return secrets;
};

export const createWebhookSender = (options: WebhookSenderOptions): Service => {
  const { deliveries, vault, http, logger } = options;
  const sending = new Map<string, Promise<void>>();
  let timer: NodeJS.Timeout | null = null;
  let looking: Promise<void> | null = null;
  let forgottenAtMs = 0;
  let stopped = false;

  /** Never rejects. Redirects are not followed: they could lead anywhere. */
  const tryOnce = async (due: DueWebhook): Promise<WebhookTry & { error: string | null }> => {
    try {
      const message = { id: due.id, timestamp: Math.floor(Date.now() / 1_000), body: due.payload };
      const answer = await http.send({
        method: 'POST',
        url: due.url,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'flo2',
          ...(await signWebhook(message, openSecrets(vault, due))),
        },
        body: Buffer.from(due.payload),
        signal: AbortSignal.timeout(TRY_TIMEOUT_MS),
      });
      await answer.body.discard();
      const { status } = answer;
      return { status, retryAfterMs: retryAfterOf(answer.headers['retry-after']), error: null };
    } catch (error) {
      const isLate = error instanceof Error && error.name === 'TimeoutError';
      const said = error instanceof FloError ? error.message.replaceAll('provider', 'receiver') : 'no answer';
      return { status: null, retryAfterMs: null, error: isLate ? 'no answer in 15 s' : said };
    }
  };

  const outcomeOf = (due: DueWebhook, result: WebhookTry): WebhookOutcome => {
    const verdict = judgeWebhookTry(result, { tries: due.tries + 1, random: Math.random() });
    return verdict.kind === 'retry'
      ? { status: 'pending', nextTryAtMs: Date.now() + verdict.delayMs }
      : { status: verdict.kind };
  };

  const send = async (due: DueWebhook): Promise<void> => {
    const begunAtMs = Date.now();
    const result = await tryOnce(due);
    faultPoint('webhook.sent');
    const record = {
      at: new Date(begunAtMs).toISOString(),
      status: result.status,
      error: result.error,
      duration_ms: Date.now() - begunAtMs,
    };
    try {
      await deliveries.settle(due, outcomeOf(due, result), record);
    } catch (error) {
      // It is due again when its claim runs out; the receiver knows it by its id.
      const reason = error instanceof Error ? error.name : 'unknown';
      logger.warn({ webhookId: due.id, reason }, 'what came of a webhook could not be noted');
    }
  };

  const look = async (): Promise<void> => {
    try {
      if (Date.now() - forgottenAtMs > FORGET_INTERVAL_MS) {
        await deliveries.forgetOld();
        forgottenAtMs = Date.now();
      }
      const free = SENDING_MAX - sending.size;
      if (free === 0 || stopped) return;
      for (const due of await deliveries.claim(free, [...sending.keys()])) {
        const sent = send(due).finally(() => {
          sending.delete(due.endpointId);
          // The next one of this address need not wait for the clock.
          lookSoon();
        });
        sending.set(due.endpointId, sent);
      }
    } catch (error) {
      const reason = error instanceof Error ? error.name : 'unknown';
      logger.warn({ reason }, 'webhooks that are due could not be read');
    }
  };

  const lookSoon = (): void => {
    if (stopped || looking !== null) return;
    looking = look().finally(() => {
      looking = null;
    });
  };

  return {
    name: 'webhooks',
    start: async () => {
      stopped = false;
      timer = setInterval(lookSoon, options.pollMs ?? POLL_MS);
      lookSoon();
    },
    stop: async () => {
      stopped = true;
      if (timer !== null) clearInterval(timer);
      await looking;
      await Promise.all(sending.values());
    },
    ready: () => true,
  };
};

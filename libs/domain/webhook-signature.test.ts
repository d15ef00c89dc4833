import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { webhookSecret } from '#contracts/webhook';
import { judgeWebhookTry, WEBHOOK_TRIES_MAX } from './webhook-schedule.ts';
import { mintWebhookSecret, signWebhook } from './webhook-signature.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const MESSAGE = {
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestamp: 1_614_265_330,
  body: '{"test": 2432232314}',
};

describe('the signature of a webhook', () => {
  it('is the one that the Standard Webhooks specification gives for its example', async () => {
    expect(await signWebhook(MESSAGE, [SECRET])).toEqual({
      'webhook-id': MESSAGE.id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('is there for each secret that is valid, and is of the bytes sent', async () => {
    const secret = mintWebhookSecret((bytes) => void bytes.fill(7));
    expect(webhookSecret.parse(secret)).toBe(secret);
    const message = { ...MESSAGE, body: '{"name":"Zoë"}' };
    const signed = await signWebhook(message, [secret, SECRET]);
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const expected = createHmac('sha256', key)
      .update(`${message.id}.${message.timestamp}.${message.body}`)
      .digest('base64');
    const [first, second] = signed['webhook-signature'].split(' ');
    expect(first).toBe(`v1,${expected}`);
    expect(second).toBe((await signWebhook(message, [SECRET]))['webhook-signature']);
  });

  it.each(['whsec_', 'whsec_c2hvcnQ=', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', `whsec_${'A'.repeat(100)}`])(
    'is made with no secret like %s',
    (text) => {
      expect(webhookSecret.safeParse(text).success).toBe(false);
    },
  );
});

describe('the next try of a webhook', () => {
  const tried = (status: number | null, tries: number, random = 0.5, retryAfterMs: number | null = null) =>
    judgeWebhookTry({ status, retryAfterMs }, { tries, random });

  it('is none after a 2xx, and none ever at an address that is gone', () => {
    expect(tried(204, 1)).toEqual({ kind: 'delivered' });
    expect(tried(410, 1)).toEqual({ kind: 'gone' });
  });

  it('comes for three days, each spread over a fifth of its wait', () => {
    let waitedMs = 0;
    for (let tries = 1; tries < WEBHOOK_TRIES_MAX; tries += 1) {
      const [early, middle, late] = [0, 0.5, 0.999_999].map((random) => tried(500, tries, random));
      if (early?.kind !== 'retry' || middle?.kind !== 'retry' || late?.kind !== 'retry') throw new Error();
      expect(early.delayMs).toBeCloseTo(middle.delayMs * 0.9, 0);
      expect(late.delayMs / middle.delayMs).toBeCloseTo(1.1, 3);
      waitedMs += middle.delayMs;
    }
    expect(waitedMs / 86_400_000).toBeGreaterThan(3);
    expect(waitedMs / 86_400_000).toBeLessThan(3.5);
    expect(tried(500, WEBHOOK_TRIES_MAX)).toEqual({ kind: 'failed' });
    expect(tried(null, WEBHOOK_TRIES_MAX)).toEqual({ kind: 'failed' });
  });

  it('waits as long as the receiver asks, within an hour', () => {
    expect(tried(429, 1, 0.5, 60_000)).toEqual({ kind: 'retry', delayMs: 60_000 });
    expect(tried(503, 1, 0.5, 86_400_000)).toEqual({ kind: 'retry', delayMs: 3_600_000 });
    expect(tried(302, 1)).toMatchObject({ kind: 'retry' });
  });
});

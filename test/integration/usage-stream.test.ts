import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { TenantId } from '#contracts/ids';
import { createApiClient } from '#services/cli/api-client';
import { tail } from '#services/cli/commands/tail';
import { attemptEventOf } from '#test/support/attempt-events';
import { ADMIN_KEY, openControlPlane, type TestControlPlane } from '#test/support/control-plane';
import { openTestLedger, type TestLedger } from '#test/support/ledger';

let control: TestControlPlane;
let opened: TestLedger;
let url: string;

beforeAll(async () => {
  opened = await openTestLedger();
  control = await openControlPlane({ databaseUrl: opened.url });
  url = await control.app.listen({ port: 0, host: '127.0.0.1' });
});
afterAll(async () => {
  await control.close();
  await opened.close();
});

const record = (tenantId: TenantId, count: number) =>
  opened.ledger.recordEvents(
    Array.from({ length: count }, () => opened.priced(attemptEventOf({ tenantId }))),
  );

const createTenant = async () => {
  const { json } = await control.call('POST', '/tenants', { name: 'streamed' });
  const tenantId = String(json['id']) as TenantId;
  const key = await control.call('POST', `/tenants/${tenantId}/api-keys`, { name: 'reader' });
  return { tenantId, key: String(key.json['key']) };
};

type LiveEvent = {
  id: string;
  data: { attempts: number; left_out: number; running: { cost: string }; data: { tenant: string }[] };
};

/** Reads events of the live stream as they come, until it is closed. */
const openLive = async (key: string, lastEventId?: string) => {
  const closing = new AbortController();
  const answer = await fetch(`${url}/api/v1/usage/live`, {
    headers: {
      authorization: `Bearer ${key}`,
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    },
    signal: closing.signal,
  });
  const events: LiveEvent[] = [];
  const reading = (async () => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const bytes of answer.body ?? new ReadableStream<Uint8Array>()) {
      text += decoder.decode(bytes, { stream: true });
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        const match = /^id: (.*)\nevent: usage\ndata: (.*)$/.exec(part);
        if (match?.[1] !== undefined && match[2] !== undefined) {
          events.push({ id: match[1], data: JSON.parse(match[2]) as LiveEvent['data'] });
        }
      }
    }
  })().catch(() => undefined);
  return { answer, events, close: async () => (closing.abort(), reading) };
};

describe('GET /api/v1/usage/live', () => {
  it('tells what is recorded of one’s own tenant, sums it, and goes on where it was broken off', async () => {
    const own = await createTenant();
    const other = await createTenant();
    await record(own.tenantId, 2);
    const live = await openLive(own.key);
    expect(live.answer.headers.get('content-type')).toBe('text/event-stream');
    await vi.waitFor(() => expect(live.events).toHaveLength(1), { timeout: 10_000 });
    await record(other.tenantId, 3);
    await record(own.tenantId, 150);
    await vi.waitFor(() => expect(live.events).toHaveLength(2), { timeout: 10_000 });
    const [first, second] = live.events;
    expect(first?.data).toMatchObject({
      attempts: 2,
      left_out: 0,
      running: { attempts: 2, cost: '0.00042' },
    });
    expect(second?.data).toMatchObject({
      attempts: 150,
      left_out: 50,
      running: { attempts: 152, cost: '0.03192' },
    });
    expect(new Set(second?.data.data.map(({ tenant }) => tenant))).toEqual(new Set([own.tenantId]));
    await live.close();

    await record(own.tenantId, 1);
    const again = await openLive(own.key, second?.id);
    await vi.waitFor(() => expect(again.events).toHaveLength(1), { timeout: 10_000 });
    expect(again.events[0]?.data).toMatchObject({ attempts: 1 });
    await again.close();
  });

  it('is what "flo2 tail" shows', async () => {
    const { tenantId, key } = await createTenant();
    const stopping = new AbortController();
    const printed: string[] = [];
    const noted: string[] = [];
    const { signal } = stopping;
    const running = tail.run(
      {
        api: createApiClient({ url, keyFor: () => key, signal }),
        print: (line) => printed.push(line),
        note: (line) => noted.push(line),
        redraw: () => undefined,
        isTerminal: true,
        signal,
      },
      { positionals: [], values: {} },
    );
    await record(tenantId, 2);
    await vi.waitFor(() => expect(printed).toHaveLength(2), { timeout: 10_000 });
    expect(printed[0]).toMatch(
      /openai\/gpt-4o-mini {2}succeeded {2}1000→100 tokens {2}30 ms {2}0\.00021 USD/,
    );
    expect(noted.at(-1)).toBe('2 attempts, 0.00042 USD');
    stopping.abort();
    await running.catch(() => undefined);
  });
});

describe('GET /api/v1/usage/export', () => {
  const read = async (key: string, query: string) => {
    const answer = await fetch(`${url}/api/v1/usage/export?${query}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    return { answer, text: await answer.text() };
  };
  const range = 'from=2026-06-01T00:00:00Z&to=2026-07-01T00:00:00Z';

  it('is a file of one’s own tenant, filtered by any dimension', async () => {
    const { tenantId, key } = await createTenant();
    await record(tenantId, 3);
    const csv = await read(key, `format=csv&${range}`);
    expect(csv.answer.headers.get('content-disposition')).toBe('attachment; filename="usage.csv"');
    expect(csv.text.trimEnd().split('\r\n')).toHaveLength(4);
    const filtered = await read(key, `format=ndjson&${range}&model=gpt-4o&model=gpt-4o-mini&tag:env=prod`);
    expect(filtered.text).toBe('');
    expect((await read(ADMIN_KEY, `format=focus&${range}&tenant=${tenantId}`)).text).toContain('gpt-4o-mini');
    const other = await createTenant();
    expect((await read(key, `format=csv&${range}&tenant=${other.tenantId}`)).answer.status).toBe(403);
  });

  it('is as of the moment asked for, in whatever zone that is written', async () => {
    const { tenantId, key } = await createTenant();
    await record(tenantId, 1);
    const before = await read(key, `format=csv&${range}`);
    const asOf = before.answer.headers.get('x-flo2-as-of') ?? '';
    await record(tenantId, 2);
    const later = new Date(Date.parse(asOf) + 5.5 * 3_600_000).toISOString();
    const inKolkata = `${later.slice(0, 19)}${asOf.slice(19, -1)}+05:30`;
    const then = await read(key, `format=csv&${range}&as_of=${encodeURIComponent(inKolkata)}`);
    expect(then.text).toBe(before.text);
    expect(then.answer.headers.get('x-flo2-as-of')).toBe(asOf);
    expect((await read(key, `format=csv&${range}`)).text.trimEnd().split('\r\n')).toHaveLength(4);
  });

  it.each([
    [`format=xml&${range}`, 'format'],
    [`format=csv&${range}&team=%00`, 'team'],
    ['format=csv&from=2026-06-01T00:00:00Z', 'to'],
    [`format=csv&${range}&colour=red`, 'colour'],
  ])('refuses %s and names the field', async (query, param) => {
    const { answer, text } = await read(ADMIN_KEY, query);
    expect(answer.status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({ error: { param } });
  });
});

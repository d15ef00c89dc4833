import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ProviderKeyId, TenantId } from '#contracts/ids';
import type { ListedModel } from '#contracts/listed-model';
import { createUpstreamClient, type UpstreamClient } from '#http/upstream-client';
import type { ListOwner } from '#postgres/model-lists';
import { openModelLists, type ModelLists, type ModelListsDeps } from './model-lists.ts';

const TENANT = 'ten_a' as TenantId;
const ownerOf = (id: string): ListOwner => ({ tenantId: TENANT, providerKeyId: id as ProviderKeyId });

let server: Server;
let answer: RequestListener;
let upstream: UpstreamClient;
let lists: ModelLists;
let saved: { id: string; models: readonly ListedModel[] }[];
let warnings: string[];

const open = (changes: Partial<ModelListsDeps> = {}): void => {
  saved = [];
  warnings = [];
  lists = openModelLists({
    store: {
      claimDue: () => Promise.resolve([]),
      save: async ({ providerKeyId }, models) => void saved.push({ id: providerKeyId, models }),
    },
    credentials: {
      open: async (tenantId, id) => ({
        id,
        tenantId,
        provider: 'openai',
        secret: 'sk-secret',
        baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
        dialect: null,
      }),
    },
    upstream,
    configurationChanges: { announce: () => undefined },
    logger: {
      info: () => undefined,
      warn: (details, message) => void warnings.push(JSON.stringify(details) + message),
      error: () => undefined,
    },
    ...changes,
  });
};

beforeAll(async () => {
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  upstream = createUpstreamClient({ allowPrivate: true });
});

afterEach(() => lists.stop());

afterAll(async () => {
  await upstream.close();
  server.close();
});

describe('the list of a key', () => {
  it('is asked for with the key and stored', async () => {
    open();
    let authorization: string | undefined;
    answer = (request, response) => {
      ({ authorization } = request.headers);
      response.end(
        JSON.stringify({ object: 'list', data: [{ id: 'gpt-x' }, { id: 'gpt-x' }, { id: 'gpt-y' }] }),
      );
    };
    lists.refresh(ownerOf('k1'));
    await vi.waitFor(() => expect(saved).toHaveLength(1), { timeout: 5_000 });
    expect(saved[0]?.id).toBe('k1');
    expect(saved[0]?.models.map(({ id }) => id)).toEqual(['gpt-x', 'gpt-y']);
    expect(authorization).toBe('Bearer sk-secret');
  });

  it.each([
    ['a refusal', 401, '{}'],
    ['no list', 200, '{"data": 5}'],
    ['more than is read', 200, 'x'.repeat(9 * 1024 * 1024)],
  ])('stays as it was where the provider answers %s, and the log holds no key', async (_, status, body) => {
    open();
    answer = (_request, response) => void response.writeHead(status).end(body);
    lists.refresh(ownerOf('k1'));
    await vi.waitFor(() => expect(warnings).toHaveLength(1), { timeout: 5_000 });
    expect(saved).toEqual([]);
    expect(warnings.join('')).not.toContain('sk-secret');
  });

  it('is asked for once at a time, and of few keys at once', async () => {
    open();
    const pending: (() => void)[] = [];
    let asked = 0;
    answer = (_request, response) => {
      asked += 1;
      pending.push(() => response.end('{"data": []}'));
    };
    for (let key = 0; key < 10; key += 1) {
      lists.refresh(ownerOf(`k${key}`));
      lists.refresh(ownerOf(`k${key}`));
    }
    await vi.waitFor(() => expect(pending).toHaveLength(4), { timeout: 5_000 });
    expect(asked).toBe(4);
    const finishing = setInterval(() => pending.splice(0).forEach((finish) => finish()), 1);
    await vi.waitFor(() => expect(new Set(saved.map(({ id }) => id)).size).toBe(10), { timeout: 5_000 });
    clearInterval(finishing);
  });

  it('is no longer waited for once stopped', async () => {
    open();
    let asked = false;
    answer = () => {
      asked = true;
    };
    lists.refresh(ownerOf('k1'));
    await vi.waitFor(() => expect(asked).toBe(true), { timeout: 5_000 });
    await lists.stop();
    expect(saved).toEqual([]);
    expect(warnings).toEqual([]);
  });
});

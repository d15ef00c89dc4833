import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { providerKeyId, tenantId, type ProviderKeyId, type TenantId } from '#contracts/ids';
import type { ListedModel } from '#contracts/listed-model';
import { createModelListStore, type ModelListStore } from '#postgres/model-lists';
import { createTenantDirectory } from '#postgres/tenant-directory';
import { openControlPlane, type TestControlPlane } from '#test/support/control-plane';

let control: TestControlPlane;
let lists: ModelListStore;
let tenant: TenantId;

const MODEL: ListedModel = {
  id: 'house-blend',
  contextWindowTokens: 32_768,
  maxOutputTokens: null,
  capabilities: { operations: ['chat'], tools: true },
};

const call = async (path: string, body: object) =>
  (await control.call('POST', `/tenants${path}`, body)).json['id'];

const createKey = async (name: string): Promise<ProviderKeyId> =>
  providerKeyId.parse(
    await call(`/${tenant}/provider-keys`, { provider: 'openai', name, secret: 'sk-test-0123456789' }),
  );

const age = (id: ProviderKeyId, column: 'attempted_at' | 'listed_at', hours: number) =>
  control.database.pool.query(
    `update provider_key_model_list set ${column} = now() - make_interval(hours => $2) where provider_key_id = $1`,
    [id, hours],
  );

beforeAll(async () => {
  control = await openControlPlane();
  lists = createModelListStore(control.database);
  tenant = tenantId.parse(await call('', { name: 'lists' }));
});

afterAll(() => control.close());

describe('the lists of models of a tenant’s keys', () => {
  it('are kept whole, replaced by newer ones, and known to routing by their names', async () => {
    const id = await createKey('whole');
    await lists.save({ tenantId: tenant, providerKeyId: id }, [{ ...MODEL, id: 'older' }]);
    await lists.save({ tenantId: tenant, providerKeyId: id }, [MODEL]);
    const directory = createTenantDirectory(control.database);
    expect(await directory.loadModels(tenant)).toEqual([{ providerKeyId: id, models: [MODEL] }]);
    const { providerKeys } = await directory.loadRouting(tenant);
    expect(providerKeys.find((key) => key.id === id)?.listedModelIds).toEqual(new Set(['house-blend']));
  });

  it('are due once when new, again an hour after a failure, and a day after a success', async () => {
    const id = await createKey('due');
    const due = async (): Promise<boolean> =>
      (await lists.claimDue(100)).some(({ providerKeyId: claimed }) => claimed === id);
    const claims = await Promise.all([due(), due(), due()]);
    expect(claims.filter(Boolean)).toHaveLength(1);
    expect(await due()).toBe(false);
    await age(id, 'attempted_at', 2);
    expect(await due()).toBe(true);

    await lists.save({ tenantId: tenant, providerKeyId: id }, [MODEL]);
    await age(id, 'attempted_at', 2);
    expect(await due()).toBe(false);
    await age(id, 'listed_at', 25);
    expect(await due()).toBe(true);
  });

  it('are asked for when a key is registered and rotated, and forgotten when it is deleted', async () => {
    const id = await createKey('told');
    const asked = () => control.listed.filter((listed) => listed === id).length;
    expect(asked()).toBe(1);
    const path = `/tenants/${tenant}/provider-keys/${id}`;
    await control.call('POST', `${path}/rotate`, { secret: 'sk-test-9876543210' });
    expect(asked()).toBe(2);
    await control.call('PATCH', path, { weight: 2 });
    expect(asked()).toBe(2);
    await lists.save({ tenantId: tenant, providerKeyId: id }, [MODEL]);
    await control.call('DELETE', path);
    expect((await lists.load(tenant)).map(({ providerKeyId: listed }) => listed)).not.toContain(id);
  });

  it('are not asked for where the key is gone', async () => {
    const id = await createKey('gone');
    await control.call('DELETE', `/tenants/${tenant}/provider-keys/${id}`);
    expect((await lists.claimDue(100)).map((owner) => owner.providerKeyId)).not.toContain(id);
  });
});

import type { PoolClient } from 'pg';
import type { NewWorkItem } from '#domain/work-ports';
import { storableJson, storableText } from './storable-text.ts';

const INSERT_ITEMS = `
  insert into work_item (id, tenant_id, api_key_id, lane, team, feature, requested_model, surface, batch_id,
    line_number, custom_id, state, estimated_input_tokens, estimated_output_tokens, deadline_at, created_at,
    on_unknown)
  select id, tenant_id, api_key_id, lane, team, feature, requested_model, surface, batch_id, line_number,
    custom_id, 'queued', input_tokens, output_tokens, deadline_at, created_at, on_unknown
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::integer[], $11::text[], $12::integer[], $13::integer[], $14::timestamptz[],
    $15::timestamptz[], $16::text[])
    as item (id, tenant_id, api_key_id, lane, team, feature, requested_model, surface, batch_id, line_number,
      custom_id, input_tokens, output_tokens, deadline_at, created_at, on_unknown)`;

const INSERT_REQUESTS = `
  insert into work_request (work_item_id, options, data_key_version, sealed)
  select * from unnest($1::text[], $2::jsonb[], $3::integer[], $4::bytea[])`;

const instant = (timeMs: number): string => new Date(timeMs).toISOString();

/** Takes items on; they exist, all or none, once the caller's transaction is committed. */
export const insertWorkItems = async (client: PoolClient, items: readonly NewWorkItem[]): Promise<void> => {
  if (items.length === 0) return;
  const column = <Cell>(read: (item: NewWorkItem) => Cell): Cell[] => items.map(read);
  await client.query({
    name: 'insert_work_items',
    text: INSERT_ITEMS,
    values: [
      column(({ id }) => id),
      column(({ tenantId }) => tenantId),
      column(({ apiKeyId }) => apiKeyId),
      column(({ lane }) => lane),
      column(({ options }) => storableText(options.attribution.team ?? '')),
      column(({ options }) => storableText(options.attribution.feature ?? '')),
      column(({ requestedModel }) => storableText(requestedModel)),
      column(({ surface }) => surface),
      column(({ line }) => line?.batchId ?? null),
      column(({ line }) => line?.number ?? null),
      column(({ line }) => (line === null ? null : storableText(line.customId))),
      column(({ estimatedInputTokens }) => estimatedInputTokens),
      column(({ estimatedOutputTokens }) => estimatedOutputTokens),
      column(({ deadlineAtMs }) => instant(deadlineAtMs)),
      column(({ createdAtMs }) => instant(createdAtMs)),
      column(({ onUnknown }) => onUnknown),
    ],
  });
  await client.query({
    name: 'insert_work_requests',
    text: INSERT_REQUESTS,
    values: [
      column(({ id }) => id),
      column(({ options }) => storableJson(options)),
      column(({ body }) => body.dataKeyVersion),
      column(({ body }) => Buffer.from(body.sealed)),
    ],
  });
};

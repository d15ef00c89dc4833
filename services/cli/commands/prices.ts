import { z } from 'zod';
import { onlyArgument, textOption, type Command } from '../command.ts';

const PATH = '/api/v1/prices';

const change = z.object({
  provider: z.string(),
  model: z.string(),
  component: z.string(),
  tier: z.string(),
  region: z.string().nullable(),
  old_rate: z.string().nullable(),
  new_rate: z.string().nullable(),
  percent: z.number().nullable(),
  reference: z.string().nullable(),
});
const proposals = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      source: z.string(),
      source_version: z.string(),
      read_at: z.string(),
      changes: z.array(change),
    }),
  ),
});
const unpriced = z.object({
  data: z.array(
    z.object({
      provider: z.string(),
      model: z.string(),
      tier: z.string(),
      attempts: z.number(),
      reason: z.string().nullable(),
    }),
  ),
});

const describeChange = (each: z.infer<typeof change>): string => {
  const where = each.region === null ? each.tier : `${each.tier} in ${each.region}`;
  const percent = each.percent === null ? '' : `  ${each.percent > 0 ? '+' : ''}${each.percent} %`;
  return `  ${each.provider}/${each.model}  ${each.component}  ${where}  ${each.old_rate ?? 'none'} → ${each.new_rate ?? 'none'}${percent}`;
};

export const listPriceProposals: Command = {
  name: 'prices proposals',
  summary: 'Lists changes of list prices that wait for a person, in USD per million units.',
  usage: '',
  help: {},
  options: {},
  run: async ({ api, print, note }) => {
    const { data } = proposals.parse(await api.call('GET', `${PATH}/proposals`));
    for (const { id, source, source_version, read_at, changes } of data) {
      print(`${id}  ${source} ${source_version}  read ${read_at}`);
      for (const each of changes) print(describeChange(each));
    }
    note(`${data.length} proposals`);
  },
};

export const promotePriceProposal: Command = {
  name: 'prices promote',
  summary: 'Puts a proposal into the price book.',
  usage: '<id> [--from <time>]',
  help: { '--from': 'RFC 3339; earlier than now to correct a rate, and re-pricing then corrects charges' },
  options: { from: { type: 'string' } },
  run: async ({ api, print }, input) => {
    const id = onlyArgument(input, "proposal's id");
    const from = textOption(input, 'from');
    const body = from === undefined ? {} : { effective_from: from };
    const answer = await api.call('POST', `${PATH}/proposals/${encodeURIComponent(id)}/promote`, body);
    print(`${id} is in the price book: ${z.object({ rates: z.number() }).parse(answer).rates} rates`);
  },
};

export const rejectPriceProposal: Command = {
  name: 'prices reject',
  summary: 'Turns a proposal down; the rates stay as they are.',
  usage: '<id>',
  help: {},
  options: {},
  run: async ({ api, print }, input) => {
    const id = onlyArgument(input, "proposal's id");
    await api.call('POST', `${PATH}/proposals/${encodeURIComponent(id)}/reject`, {});
    print(`${id} is rejected`);
  },
};

export const listUnpriced: Command = {
  name: 'prices unpriced',
  summary: 'Lists what was used and has no price.',
  usage: '',
  help: {},
  options: {},
  run: async ({ api, print, note }) => {
    const { data } = unpriced.parse(await api.call('GET', `${PATH}/unpriced`));
    for (const { provider, model, tier, attempts, reason } of data) {
      print(`${provider}/${model}  ${tier}  ${attempts} attempts  ${reason ?? ''}`.trimEnd());
    }
    note(`${data.length} without a price`);
  },
};

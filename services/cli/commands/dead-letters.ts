import { z } from 'zod';
import { onlyArgument, textOption, UsageError, type Command } from '../command.ts';

const PATH = '/api/v1/dead-letters';

const letter = z.object({
  id: z.string(),
  reason: z.string(),
  explanation: z.string(),
  stream: z.string(),
  subject: z.string(),
  deliveries: z.number(),
  size_bytes: z.number(),
  replayable: z.boolean(),
  died_at: z.string(),
  payload_base64: z.string().optional(),
});
const page = z.object({ data: z.array(letter), has_more: z.boolean(), next_cursor: z.string().nullable() });

export const listDeadLetters: Command = {
  name: 'dead-letters list',
  summary: 'Lists what was taken out of the queues for good, oldest first.',
  usage: '[--stream <name>]',
  help: { '--stream': 'only what came from this stream, such as REQ_I' },
  options: { stream: { type: 'string' } },
  run: async ({ api, print, note }, input) => {
    const stream = textOption(input, 'stream');
    let cursor: string | null = null;
    let count = 0;
    do {
      const query = new URLSearchParams({ limit: '100' });
      if (stream !== undefined) query.set('stream', stream);
      if (cursor !== null) query.set('cursor', cursor);
      const listed: z.infer<typeof page> = page.parse(await api.call('GET', `${PATH}?${query.toString()}`));
      for (const { id, died_at, reason, subject, explanation } of listed.data) {
        print(`${id}  ${died_at}  ${reason}  ${subject}  ${explanation}`);
      }
      count += listed.data.length;
      cursor = listed.next_cursor;
    } while (cursor !== null);
    note(`${count} dead letters`);
  },
};

export const showDeadLetter: Command = {
  name: 'dead-letters show',
  summary: 'Shows a dead letter and why it is one; its payload only when asked.',
  usage: '<id> [--payload]',
  help: { '--payload': "the message's own bytes instead, as they are; they may hold a prompt" },
  options: { payload: { type: 'boolean' } },
  run: async ({ api, print }, input) => {
    const id = encodeURIComponent(onlyArgument(input, "dead letter's id"));
    const wantsPayload = input.values['payload'] === true;
    const found = letter.parse(await api.call('GET', `${PATH}/${id}?payload=${wantsPayload}`));
    if (wantsPayload) print(Buffer.from(found.payload_base64 ?? '', 'base64').toString('utf8'));
    else print(JSON.stringify(found, null, 2));
  },
};

export const replayDeadLetter: Command = {
  name: 'dead-letters replay',
  summary: 'Puts a dead letter back into the queue it came from.',
  usage: '<id>',
  help: {},
  options: {},
  run: async ({ api, print }, input) => {
    const id = onlyArgument(input, "dead letter's id");
    const { subject } = letter.parse(await api.call('POST', `${PATH}/${encodeURIComponent(id)}/replay`));
    print(`${id} is back on ${subject}`);
  },
};

export const purgeDeadLetters: Command = {
  name: 'dead-letters purge',
  summary: 'Removes a dead letter, those of a stream, or all of them.',
  usage: '<id> | --stream <name> | --all',
  help: { '--stream': 'all that came from this stream', '--all': 'all there are' },
  options: { stream: { type: 'string' }, all: { type: 'boolean' } },
  run: async ({ api, print }, input) => {
    const stream = textOption(input, 'stream');
    const wantsAll = input.values['all'] === true;
    const chosen = [input.positionals.length > 0, stream !== undefined, wantsAll].filter(Boolean);
    if (chosen.length !== 1) throw new UsageError('Give an id, --stream or --all.');
    if (input.positionals.length > 0) {
      const id = onlyArgument(input, "dead letter's id");
      await api.call('DELETE', `${PATH}/${encodeURIComponent(id)}`);
      return print(`${id} is gone`);
    }
    const query = new URLSearchParams(stream === undefined ? { all: 'true' } : { stream });
    const answer = await api.call('DELETE', `${PATH}?${query.toString()}`);
    print(`${z.object({ purged: z.number() }).parse(answer).purged} are gone`);
  },
};

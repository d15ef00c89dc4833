/**
 * A provider that answers at once and checks nothing, so that what is measured is the gateway in front of
 * it: `node test/bench/mock-provider.ts`. Prints its address as JSON.
 */
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { PACED_PROMPT, WORD_INTERVAL_MS } from './pace.ts';

const USAGE = { prompt_tokens: 12, completion_tokens: 9, total_tokens: 21 };
const MODEL = 'gpt-4o-mini-2024-07-18';
const WORDS = ['The', ' answer', ' is', ' as', ' short', ' as', ' it', ' can', ' be.'];

const answer = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: MODEL,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: WORDS.join(''), refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: USAGE,
  }),
);

const chunk = (choices: unknown[], usage: unknown = null): string =>
  `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1_700_000_000, model: MODEL, choices, usage })}\n\n`;

const events = WORDS.map((content, index) =>
  chunk([
    { index: 0, delta: index === 0 ? { role: 'assistant', content } : { content }, finish_reason: null },
  ]),
);
const ending = [
  chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]),
  chunk([], USAGE),
  'data: [DONE]\n\n',
].join('');
const stream = Buffer.from(events.join('') + ending);

/** A word at a time, each by itself. */
const sendPaced = async (response: ServerResponse): Promise<void> => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events) {
    response.write(event);
    await sleep(WORD_INTERVAL_MS);
  }
  response.end(ending);
};

const send = (response: ServerResponse, type: string, body: Buffer): void => {
  response.writeHead(200, { 'content-type': type, 'content-length': String(body.length) }).end(body);
};

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (bytes: Buffer) => chunks.push(bytes));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    if (body.includes(PACED_PROMPT)) void sendPaced(response);
    else if (body.includes('"stream":true')) send(response, 'text/event-stream', stream);
    else send(response, 'application/json', answer);
  });
});

server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the mock provider has no port');
  console.log(JSON.stringify({ url: `http://127.0.0.1:${address.port}` }));
});
process.once('SIGTERM', () => process.exit(0));

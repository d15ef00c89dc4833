/**
 * Streams a simulated answer of each dialect, an event a chunk as providers send them, and takes on another
 * port whatever comes: `node test/bench/stream-server.ts`. Prints `{"url": …, "sinkPort": …}`; the path of a
 * request names the dialect.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { simulatedBaseUrl } from '#test/simulators/base-urls';
import { startSimulator } from '#test/simulators/simulator';

const WORDS = 400;

const simulator = await startSimulator({ log: false });

const fetchStream = async (url: string, headers: Record<string, string>, body: object): Promise<string[]> => {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text.split(/(?<=\n\n|\r\n\r\n)/);
};

const messages = [{ role: 'user', content: 'Tell me a lot.' }];
const streams: Readonly<Record<string, string[]>> = {
  '/openai-chat': await fetchStream(
    `${simulatedBaseUrl(simulator.url, 'openai')}/chat/completions`,
    { authorization: 'Bearer sk-bench' },
    {
      model: `gpt-4o-mini-sim-tokens-${WORDS}`,
      messages,
      stream: true,
      stream_options: { include_usage: true, include_obfuscation: false },
    },
  ),
  '/anthropic-messages': await fetchStream(
    `${simulatedBaseUrl(simulator.url, 'anthropic')}/v1/messages`,
    { 'x-api-key': 'sk-ant-bench', 'anthropic-version': '2023-06-01' },
    { model: `claude-haiku-4-5-sim-tokens-${WORDS}`, max_tokens: 1_000, messages, stream: true },
  ),
  '/gemini-generate-content': await fetchStream(
    `${simulatedBaseUrl(simulator.url, 'google')}/models/gemini-2.5-flash-sim-tokens-${WORDS}:streamGenerateContent?alt=sse`,
    { 'x-goog-api-key': 'AIzabench' },
    { contents: [{ parts: [{ text: 'Tell me a lot.' }] }] },
  ),
};
await simulator.close();

const send = async (response: ServerResponse, events: readonly string[]): Promise<void> => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events) {
    response.write(event);
    await nextTurn();
  }
  response.end();
};

const server = createServer((request, response) => {
  request.resume();
  void send(response, streams[request.url ?? ''] ?? []);
});
server.keepAliveTimeout = 60_000;
const sink = createTcpServer((socket) => socket.resume());
await Promise.all([
  once(server.listen(0, '127.0.0.1'), 'listening'),
  once(sink.listen(0, '127.0.0.1'), 'listening'),
]);
const { port } = server.address() as AddressInfo;
const { port: sinkPort } = sink.address() as AddressInfo;
console.log(JSON.stringify({ url: `http://127.0.0.1:${port}`, sinkPort }));
process.once('SIGTERM', () => process.exit(0));

/** F14: answers that would not fit into a process. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { send, type RequestRecord } from '../history.ts';
import { tagOf, type Scenario, type ScenarioContext, type SeedRun } from '../scenario.ts';
import { ingressUrls } from './traffic.ts';

const MIB = 1024 * 1024;
const BOMB = gzipSync(Buffer.alloc(256 * MIB));

/** Writes as fast as the other side takes, until it goes. */
const pour = (response: ServerResponse, piece: Buffer, total: number): void => {
  let sent = 0;
  const more = (): void => {
    while (!response.destroyed && sent < total) {
      sent += piece.length;
      if (!response.write(piece)) {
        response.once('drain', more);
        return;
      }
    }
    if (!response.destroyed) response.end();
  };
  more();
};

const HUGE: Readonly<Record<string, (response: ServerResponse) => void>> = {
  'huge-body': (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    pour(response, Buffer.alloc(MIB, ' '), 1_024 * MIB);
  },
  'huge-line': (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: ');
    pour(response, Buffer.alloc(MIB, 'x'), 100 * MIB);
  },
  'gzip-bomb': (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    response.end(BOMB);
  },
  'huge-error': (response) => {
    response.writeHead(500, { 'content-type': 'application/json' });
    pour(response, Buffer.alloc(MIB, '{'), 1_024 * MIB);
  },
};

/** An answer is read up to 32 MiB and twice in memory for a moment; the young generation comes on top. */
const GROWN_MIB = 96;

const runHuge = async ({ rig, seed }: ScenarioContext): Promise<SeedRun> => {
  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const kind = Object.keys(HUGE).find((name) => body.includes(name)) ?? 'huge-body';
      HUGE[kind]?.(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const tenant = await rig.createTenant(tagOf('F14', seed), {
    providerKeys: [{ provider: 'openai', baseUrl: `http://127.0.0.1:${port}/v1` }],
    routes: Object.fromEntries(
      Object.keys(HUGE).map((name) => [name, { targets: [{ model: `openai/${name}` }], max_attempts: 1 }]),
    ),
  });
  const before = await Promise.all(rig.roles.worker.map(rig.peakMiB));
  const requests: RequestRecord[] = [];
  for (const name of Object.keys(HUGE)) {
    requests.push(
      await send({ url: ingressUrls(rig)[0] ?? '', tenant, model: name, stream: name === 'huge-line' }),
    );
  }
  server.closeAllConnections();
  server.close();
  const after = await Promise.all(rig.roles.worker.map(rig.peakMiB));
  const grownMiB = Math.max(...after.map((peak, index) => (peak ?? 0) - (before[index] ?? 0)));
  const violations = requests.flatMap(({ ending }) => (ending === 'failed' ? [] : [`it was ${ending}`]));
  if (grownMiB > GROWN_MIB) violations.push(`a worker grew by ${grownMiB} MiB`);
  return {
    tenants: [tenant],
    requests,
    faultAtMs: Date.now(),
    allowed: ['failed'],
    violations,
    figures: { 'worker grown MiB': grownMiB },
  };
};

const huge: Scenario = {
  id: 'F14',
  title: '1 GiB bodies, a line of 100 MiB, a gzip bomb',
  atOnce: 1,
  recoveryMaxMs: 10_000,
  run: runHuge,
};

export const hugeAnswerScenarios: readonly Scenario[] = [huge];

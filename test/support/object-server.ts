/**
 * What of S3's API a store of files needs, over HTTP: objects addressed by path, every request's signature and
 * bytes checked as S3 does, and faults on demand. In memory: it stands for the store, never for flo2.
 */
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';

export type ObjectServer = {
  /** For `FLO2_OBJECT_STORE`. */
  address: string;
  /** By path, bucket included. */
  objects: ReadonlyMap<string, Buffer>;
  /** Requests so far, as `PUT /bucket/…`. */
  requests: readonly string[];
  /** So many requests are answered with this status, after some that are not. */
  failNext: (status: number, times: number, after?: number) => void;
  close: () => Promise<void>;
};

const CREDENTIALS = { accessKeyId: 'test-key', secretAccessKey: 'a/secret+with=signs' };
const REGION = 'eu-test-1';
const BUCKET = 'bucket';

const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

const expectedSignature = (request: IncomingMessage, signedHeaders: string, date: string): string => {
  const canonicalHeaders = signedHeaders
    .split(';')
    .map((name) => `${name}:${String(request.headers[name])}\n`)
    .join('');
  const canonical = `${request.method}\n${request.url}\n\n${canonicalHeaders}\n${signedHeaders}\n${String(request.headers['x-amz-content-sha256'])}`;
  const day = date.slice(0, 8);
  const scope = `${day}/${REGION}/s3/aws4_request`;
  const dayKey = hmac(`AWS4${CREDENTIALS.secretAccessKey}`, day);
  const key = hmac(hmac(hmac(dayKey, REGION), 's3'), 'aws4_request');
  return hmac(key, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(canonical)}`).toString('hex');
};

const isAuthentic = (request: IncomingMessage, body: Buffer): boolean => {
  const authorization =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/\S+,\s?SignedHeaders=(\S+),\s?Signature=(\w+)$/.exec(
      request.headers.authorization ?? '',
    );
  const [, accessKeyId, signedHeaders = '', signature] = authorization ?? [];
  const mustBeSigned = ['host', 'x-amz-content-sha256', 'x-amz-date'];
  return (
    accessKeyId === CREDENTIALS.accessKeyId &&
    mustBeSigned.every((name) => signedHeaders.split(';').includes(name)) &&
    request.headers['x-amz-content-sha256'] === sha256(body) &&
    signature === expectedSignature(request, signedHeaders, String(request.headers['x-amz-date']))
  );
};

const readBody = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

export const startObjectServer = async (): Promise<ObjectServer> => {
  const objects = new Map<string, Buffer>();
  const requests: string[] = [];
  let failing = { status: 0, times: 0, after: 0 };
  const answer = (request: IncomingMessage, body: Buffer): { status: number; body?: Buffer } => {
    const path = request.url ?? '';
    requests.push(`${request.method} ${path}`);
    if (failing.after > 0) failing.after -= 1;
    else if (failing.times > 0) {
      failing.times -= 1;
      return { status: failing.status };
    }
    if (!isAuthentic(request, body) || !path.startsWith(`/${BUCKET}/`)) return { status: 403 };
    switch (request.method) {
      case 'PUT':
        objects.set(path, body);
        return { status: 200 };
      case 'GET': {
        const found = objects.get(path);
        return found === undefined ? { status: 404 } : { status: 200, body: found };
      }
      case 'DELETE':
        objects.delete(path);
        return { status: 204 };
      default:
        return { status: 405 };
    }
  };
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => {
        const { status, body: told } = answer(request, body);
        response.writeHead(status).end(told);
      },
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const listening = server.address();
  const port = typeof listening === 'object' ? listening?.port : null;
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  return {
    address: `http://${accessKeyId}:${encodeURIComponent(secretAccessKey)}@127.0.0.1:${port}/${BUCKET}/flo2?region=${REGION}`,
    objects,
    requests,
    failNext: (status, times, after = 0) => {
      failing = { status, times, after };
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

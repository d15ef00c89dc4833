/**
 * Signature version 4 of S3's API, as header: AWS, "Authenticating Requests (AWS Signature Version 4)" in the S3
 * API reference. For requests whose names need no query.
 */
import { createHash, createHmac } from 'node:crypto';

export type S3Credentials = { accessKeyId: string; secretAccessKey: string; region: string };

const ALGORITHM = 'AWS4-HMAC-SHA256';

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');
const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** As S3 wants the names of objects: all but `A–Z a–z 0–9 - . _ ~ /` as bytes in hexadecimal. */
export const encodeObjectPath = (path: string): string =>
  path
    .split('/')
    .map((part) =>
      encodeURIComponent(part).replace(
        /[!'()*]/g,
        (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
      ),
    )
    .join('/');

/**
 * The headers to send: those that are given, lower case, and the signature over all of them. `path` is encoded
 * as `encodeObjectPath` does.
 */
export const signS3Request = (
  request: {
    method: 'GET' | 'PUT' | 'DELETE';
    host: string;
    path: string;
    headers?: Readonly<Record<string, string>>;
    body: Uint8Array;
    nowMs: number;
  },
  { accessKeyId, secretAccessKey, region }: S3Credentials,
): Record<string, string> => {
  const time = new Date(request.nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const contentHash = sha256(request.body);
  const headers: Record<string, string> = {
    ...request.headers,
    host: request.host,
    'x-amz-content-sha256': contentHash,
    'x-amz-date': time,
  };
  const names = Object.keys(headers).sort();
  const signedHeaders = names.join(';');
  const canonical = [
    request.method,
    request.path,
    '',
    ...names.map((name) => `${name}:${headers[name]?.trim()}`),
    '',
    signedHeaders,
    contentHash,
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const key = ['s3', 'aws4_request'].reduce(
    (previous, part) => hmac(previous, part),
    hmac(hmac(`AWS4${secretAccessKey}`, day), region),
  );
  const signature = hmac(key, [ALGORITHM, time, scope, sha256(canonical)].join('\n')).toString('hex');
  return {
    ...headers,
    authorization: `${ALGORITHM} Credential=${accessKeyId}/${scope},SignedHeaders=${signedHeaders},Signature=${signature}`,
  };
};

import { expect, it } from 'vitest';
import { encodeObjectPath, signS3Request } from './request-signature.ts';

/** The examples of AWS, "Authenticating Requests: Using the Authorization Header", S3 API reference. */
const EXAMPLE = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
};
const host = 'examplebucket.s3.amazonaws.com';
const nowMs = Date.UTC(2013, 4, 24);

it('signs reading an object as AWS does in its example', () => {
  const { authorization } = signS3Request(
    {
      method: 'GET',
      host,
      path: '/test.txt',
      headers: { range: 'bytes=0-9' },
      body: new Uint8Array(),
      nowMs,
    },
    EXAMPLE,
  );
  expect(authorization).toBe(
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  );
});

it('signs writing an object as AWS does in its example', () => {
  const { authorization } = signS3Request(
    {
      method: 'PUT',
      host,
      path: encodeObjectPath('/test$file.text'),
      headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
      body: Buffer.from('Welcome to Amazon S3.'),
      nowMs,
    },
    EXAMPLE,
  );
  expect(authorization).toMatch(
    /Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd$/,
  );
});

it('encodes names as S3 does', () => {
  expect(encodeObjectPath("/a b/ü(1)*'!~-._")).toBe('/a%20b/%C3%BC%281%29%2A%27%21~-._');
});

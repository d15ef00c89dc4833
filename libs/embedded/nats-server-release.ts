/** Fetches nats-server from its official release. */
import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { OnProgress } from './progress.ts';

const VERSION = '2.14.5';

/** SHA-256 of each archive of that release; those for Linux also stand in the official images' Dockerfiles. */
const ARCHIVE_SHA256: Readonly<Record<string, string>> = {
  'linux-amd64': '5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355',
  'linux-arm64': '673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c',
  'linux-arm7': 'c8796b63a8603fdebabd63146ac3d3997c29a2829fdd2af6db320f4a287f2e71',
  'linux-ppc64le': '5d8f1a264a3bc4b30899814ae8e898b1268e817074635adddd24b32f388e4cc4',
  'darwin-amd64': 'f95c98d6b6ed2b63c5681b46b092c9585c99767d547cf495730c329234625e96',
  'darwin-arm64': 'ddd907854d9a2de834af133fa396915fe6442fe6d8909ae31390d1ea7a0fea50',
};
/** Node's name of a processor to the release's. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm7',
  ppc64: 'ppc64le',
};

/** Many machines cannot reach the release: they shall not wait for it. */
const ANSWER_WAIT_MS = 4_000;
const DOWNLOAD_WAIT_MS = 120_000;
/** The largest archive is 8 MB. */
const ARCHIVE_MAX_BYTES = 64 * 1024 * 1024;

const download = async (url: string): Promise<Uint8Array> => {
  const controller = new AbortController();
  const answerTimer = setTimeout(
    () => controller.abort(new Error(`no answer within ${ANSWER_WAIT_MS / 1_000} s`)),
    ANSWER_WAIT_MS,
  );
  const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(DOWNLOAD_WAIT_MS)]);
  try {
    const response = await fetch(url, { signal });
    clearTimeout(answerTimer);
    if (!response.ok || response.body === null) throw new Error(`the answer was ${response.status}`);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body) {
      size += chunk.length;
      if (size > ARCHIVE_MAX_BYTES) throw new Error('the answer is far too large');
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    clearTimeout(answerTimer);
  }
};

/** Puts the program into `directory` and resolves to its path. Rejects with the reason in a few words. */
export const fetchNatsServerRelease = async (directory: string, onProgress: OnProgress): Promise<string> => {
  const target = `${platform()}-${ARCHITECTURES[arch()] ?? arch()}`;
  const expected = ARCHIVE_SHA256[target];
  if (expected === undefined) throw new Error(`no release is known for ${target}`);

  onProgress(`Fetching nats-server ${VERSION} from its official release…`);
  const name = `nats-server-v${VERSION}-${target}`;
  const archive = await download(
    `https://github.com/nats-io/nats-server/releases/download/v${VERSION}/${name}.tar.gz`,
  );
  const actual = createHash('sha256').update(archive).digest('hex');
  if (actual !== expected) throw new Error(`the archive's SHA-256 is ${actual}, expected is ${expected}`);

  const archivePath = join(directory, 'nats-server.tar.gz');
  await writeFile(archivePath, archive);
  await promisify(execFile)('tar', ['-xzf', archivePath, '-C', directory, `${name}/nats-server`]);
  return join(directory, name, 'nats-server');
};

import { FloError } from '#domain/errors';
import type { ProviderCredential } from '#domain/ports';
import type { UpstreamAnswer, UpstreamClient } from '#http/upstream-client';
import type { NativeBatchCall, NativeBatchHttp } from '#providers/native-batch';
import type { Provider } from '#providers/provider';

const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const ERROR_BYTES_MAX = 64 * 1024;
/** One answer of a line, with what stands around it. */
const LINE_BYTES_MAX = 40 * 1024 * 1024;
const NEWLINE = 10;

const tooLong = (bytes: number): FloError =>
  new FloError('malformed_answer', `The provider's answer is over ${bytes} bytes.`);

const timedOut = (): FloError => new FloError('timeout', 'The provider did not answer in time.');

const readWhole = async (
  body: AsyncIterable<Uint8Array>,
  { bytesMax, cut }: { bytesMax: number; cut: boolean },
): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > bytesMax) {
      if (cut) break;
      throw tooLong(bytesMax);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const isBlank = (line: Uint8Array): boolean =>
  line.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);

/**
 * Calls to a provider's batch API with one of a tenant's keys. Each is made once and has `timeoutMs`, a long
 * answer so much for each of its pieces. A whole URL is only called where it is the provider's own.
 */
export const createNativeBatchHttp = (options: {
  provider: Provider;
  credential: ProviderCredential;
  upstream: UpstreamClient;
  timeoutMs: number;
  nowMs: () => number;
  /** Ends what is under way. */
  signal: AbortSignal;
}): NativeBatchHttp => {
  const { provider, credential, upstream, timeoutMs, nowMs, signal } = options;

  const urlOf = (path: string): string => {
    if (!/^https?:/i.test(path)) return provider.baseUrl + path;
    if (URL.parse(path)?.origin === new URL(provider.baseUrl).origin) return path;
    throw new FloError('malformed_answer', 'The provider named an address that is not its own.');
  };

  /** Resolves with an answer that is none of an error. */
  const send = async (
    { method, path, headers, body }: NativeBatchCall,
    limit: AbortController,
  ): Promise<UpstreamAnswer> => {
    const answer = await upstream.send({
      method,
      url: urlOf(path),
      headers: { ...headers, ...provider.authorize(credential.secret) },
      ...(body !== undefined && { body }),
      signal: AbortSignal.any([signal, limit.signal]),
    });
    if (answer.status >= 200 && answer.status <= 299) return answer;
    const failure = await readWhole(answer.body, { bytesMax: ERROR_BYTES_MAX, cut: true });
    throw provider.decodeError({
      status: answer.status,
      headers: answer.headers,
      body: failure,
      nowMs: nowMs(),
    });
  };

  /** What a broken connection or a passed limit means. */
  const describe = (thrown: unknown): unknown => {
    if (signal.aborted || thrown instanceof FloError) return thrown;
    return new FloError('cut_stream', "The provider's answer broke off before its end.", { cause: thrown });
  };

  return {
    baseUrl: provider.baseUrl,
    call: async (call) => {
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(timedOut()), timeoutMs);
      try {
        const answer = await send(call, limit);
        const body = await readWhole(answer.body, { bytesMax: ANSWER_BYTES_MAX, cut: false });
        return { status: answer.status, headers: answer.headers, body };
      } catch (thrown) {
        throw limit.signal.aborted ? limit.signal.reason : describe(thrown);
      } finally {
        clearTimeout(timer);
      }
    },
    lines: async function* (call) {
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(timedOut()), timeoutMs);
      let held: Uint8Array[] = [];
      let heldBytes = 0;
      const hold = (piece: Uint8Array): void => {
        heldBytes += piece.length;
        if (heldBytes > LINE_BYTES_MAX) throw tooLong(LINE_BYTES_MAX);
        held.push(piece);
      };
      const take = (): Uint8Array => {
        const line = Buffer.concat(held);
        held = [];
        heldBytes = 0;
        return line;
      };
      try {
        const answer = await send(call, limit);
        for await (const chunk of answer.body) {
          timer.refresh();
          let start = 0;
          for (;;) {
            const end = chunk.indexOf(NEWLINE, start);
            if (end < 0) break;
            hold(chunk.subarray(start, end));
            start = end + 1;
            const line = take();
            if (!isBlank(line)) yield line;
            // Its reader may take its time with a line.
            timer.refresh();
          }
          if (start < chunk.length) hold(chunk.subarray(start));
        }
        const last = take();
        if (!isBlank(last)) yield last;
      } catch (thrown) {
        throw limit.signal.aborted ? limit.signal.reason : describe(thrown);
      } finally {
        clearTimeout(timer);
      }
    },
  };
};

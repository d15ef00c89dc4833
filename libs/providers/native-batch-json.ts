/** What the drivers of batch APIs have in common: JSON out, JSON in, lines of it. */
import type { FloError } from '#domain/errors';
import { parseObject, textOf, type JsonObject } from './json-fields.ts';
import type { NativeBatchCall, NativeBatchHttp, NativeBatchLineResult } from './native-batch.ts';

const ERRORS_MAX = 20;
const ERROR_LENGTH_MAX = 500;

/** Rejects with `FloError` `malformed_answer` for what is no JSON object, beside what `http.call` rejects with. */
export const callJson = async (
  http: NativeBatchHttp,
  { json, ...call }: NativeBatchCall & { json?: unknown },
): Promise<JsonObject> => {
  const { body } = await http.call(
    json === undefined
      ? call
      : {
          ...call,
          headers: { ...call.headers, 'content-type': 'application/json' },
          body: Buffer.from(JSON.stringify(json)),
        },
  );
  return parseObject(body);
};

/** A request's JSON so that it fits on one line. Bytes that do already are kept as they are. */
export const onOneLine = (body: Uint8Array): string => {
  const text = Buffer.from(body).toString('utf8');
  return /[\r\n]/.test(text) ? JSON.stringify(JSON.parse(text)) : text;
};

/** What is told to people about a batch that was refused. */
export const boundErrors = (errors: readonly (string | null)[]): string[] =>
  errors
    .filter((error) => error !== null && error !== '')
    .slice(0, ERRORS_MAX)
    .map((error) => String(error).slice(0, ERROR_LENGTH_MAX));

/** The id of something that was made; throws `FloError` `malformed_answer` for none. */
export const requireId = (object: JsonObject, malformed: (message: string) => FloError): string => {
  const id = textOf(object['id']);
  if (id === null || id === '' || id.length > 256) throw malformed("The provider's answer names no id.");
  return id;
};

/** Asks for what may be gone already. */
export const callUnlessGone = async (http: NativeBatchHttp, call: NativeBatchCall): Promise<void> => {
  try {
    await http.call(call);
  } catch (error) {
    const { upstreamStatus } = error as Partial<FloError>;
    if (upstreamStatus !== 404 && upstreamStatus !== 409) throw error;
  }
};

/** The results in files of a provider whose file API is OpenAI's; a file that there is not is left out. */
export async function* resultsInFiles(
  http: NativeBatchHttp,
  fileIds: readonly (string | undefined)[],
  readLine: (line: Uint8Array) => NativeBatchLineResult | null,
): AsyncGenerator<NativeBatchLineResult> {
  for (const fileId of fileIds) {
    if (fileId === undefined) continue;
    const path = `/files/${encodeURIComponent(fileId)}/content`;
    for await (const line of http.lines({ method: 'GET', path })) {
      const result = readLine(line);
      if (result !== null) yield result;
    }
  }
}

import type { NativeBatchCall, NativeBatchHttp } from '#providers/native-batch';

type Answer = { headers?: Record<string, string>; body?: unknown; lines?: readonly unknown[]; error?: Error };

const textOf = (value: unknown): Uint8Array =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

/** Answers from a script, by `METHOD path` without its query; a call that is not in it fails the test. */
export const scriptedHttp = (
  baseUrl: string,
  script: Readonly<Record<string, Answer | ((call: NativeBatchCall) => Answer)>>,
): NativeBatchHttp & { calls: NativeBatchCall[] } => {
  const calls: NativeBatchCall[] = [];
  const answerTo = (call: NativeBatchCall): Answer => {
    calls.push(call);
    const found = script[`${call.method} ${call.path.split('?', 1)[0] ?? ''}`];
    if (found === undefined) throw new Error(`${call.method} ${call.path} is not in the script`);
    const answer = typeof found === 'function' ? found(call) : found;
    if (answer.error !== undefined) throw answer.error;
    return answer;
  };
  return {
    baseUrl,
    calls,
    call: async (call) => {
      const { headers = {}, body = {} } = answerTo(call);
      return { status: 200, headers, body: textOf(body) };
    },
    lines: async function* (call) {
      for (const line of answerTo(call).lines ?? []) yield textOf(line);
    },
  };
};

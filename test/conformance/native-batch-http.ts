import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { FloError } from '#domain/errors';
import type { NativeBatchCall, NativeBatchHttp } from '#providers/native-batch';
import type { Provider } from '#providers/provider';

/** Calls one simulated provider as the port asks for it: every call once, failures as the provider decodes them. */
export const callProvider = (provider: Provider, baseUrl: string, secret: string): NativeBatchHttp => {
  const send = async ({ method, path, headers, body }: NativeBatchCall): Promise<Response> => {
    const url = path.startsWith('/') ? `${baseUrl}${path}` : path;
    if (new URL(url).origin !== new URL(baseUrl).origin) throw new Error(`${url} is somewhere else`);
    let response: Response;
    try {
      response = await fetch(url, {
        method,
        headers: { ...headers, ...provider.authorize(secret) },
        ...(body === undefined ? {} : { body: new Uint8Array(body) }),
      });
    } catch (cause) {
      throw new FloError('cut_stream', 'The connection broke off.', { cause });
    }
    if (response.ok) return response;
    const told = new Uint8Array(await response.arrayBuffer());
    const answered = Object.fromEntries(response.headers.entries());
    throw provider.decodeError({
      status: response.status,
      headers: answered,
      body: told,
      nowMs: Date.now(),
    });
  };
  return {
    baseUrl,
    call: async (call) => {
      const response = await send(call);
      return {
        status: response.status,
        headers: Object.fromEntries(response.headers.entries()),
        body: new Uint8Array(await response.arrayBuffer()),
      };
    },
    lines: async function* (call) {
      const { body } = await send(call);
      if (body === null) return;
      for await (const line of createInterface({ input: Readable.fromWeb(body) }))
        if (line.trim() !== '') yield Buffer.from(line);
    },
  };
};

import { z } from 'zod';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** The server's answer was an error; the message is the server's own. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export type ApiClient = {
  /** Rejects with `ApiError`, or with a sentence when flo2 cannot be reached. Null for an empty answer. */
  call: (method: Method, path: string, body?: object) => Promise<unknown>;
  /** The answer itself, for what is no JSON: a download, an upload, a stream. Rejects as `call` does. */
  request: (path: string, init?: RequestInit) => Promise<Response>;
};

const refusal = z.object({ error: z.object({ message: z.string() }) });

const messageOf = (text: string, status: number): string => {
  let json: unknown = null;
  try {
    json = JSON.parse(text);
  } catch {
    // A proxy in front may answer in its own words.
  }
  return refusal.safeParse(json).data?.error.message ?? `flo2 answered with status ${status}.`;
};

/** The key for a path is shown as a bearer token; null sends none. */
export const createApiClient = (options: {
  url: string;
  keyFor: (path: string) => string | null;
  signal: AbortSignal;
}): ApiClient => {
  const request: ApiClient['request'] = async (path, init = {}) => {
    const headers = new Headers(init.headers);
    const key = options.keyFor(path);
    if (key !== null) headers.set('authorization', `Bearer ${key}`);
    let answer: Response;
    try {
      answer = await fetch(new URL(path, options.url), { ...init, headers, signal: options.signal });
    } catch (error) {
      if (options.signal.aborted) throw error;
      throw new Error(`flo2 cannot be reached at ${options.url}: is it running? FLO2_URL says where it is.`, {
        cause: error,
      });
    }
    if (!answer.ok) throw new ApiError(answer.status, messageOf(await answer.text(), answer.status));
    return answer;
  };
  return {
    request,
    call: async (method, path, body) => {
      const answer = await request(path, {
        method,
        ...(body !== undefined && {
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json' },
        }),
      });
      const text = await answer.text();
      return text === '' ? null : JSON.parse(text);
    },
  };
};

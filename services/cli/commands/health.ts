import { z } from 'zod';
import { ApiError, type ApiClient } from '../api-client.ts';
import type { Command } from '../command.ts';

const readiness = z.object({ status: z.string() });

const readStatus = async (api: ApiClient): Promise<string> => {
  try {
    return readiness.parse(await api.call('GET', '/readyz')).status;
  } catch (error) {
    if (error instanceof ApiError && error.status === 503) throw new Error('not ready', { cause: error });
    throw error;
  }
};

export const health: Command = {
  name: 'health',
  summary: 'Says whether flo2 can work; exit code 1 when it cannot.',
  usage: '',
  help: {},
  options: {},
  run: async ({ api, print }) => print(await readStatus(api)),
};

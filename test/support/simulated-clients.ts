import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import type { CallRecord } from '#test/simulators/call-log';
import { startSimulator, type Simulator } from '#test/simulators/simulator';

/** The simulated providers with clients of their own, for what is asked of them without flo2. */
export type SimulatedClients = {
  simulator: Simulator;
  openai: OpenAI;
  anthropic: Anthropic;
  chat: (model: string, content?: string) => ReturnType<typeof chatBy>;
  send: (model: string, content?: string) => ReturnType<typeof sendBy>;
  lastCall: () => CallRecord;
};

export const PIXEL_PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
export const WEATHER_SCHEMA = {
  type: 'object' as const,
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city'],
};

export const user = (content: string) => [{ role: 'user' as const, content }];

const chatBy = (openai: OpenAI, model: string, content = 'echo: hi there') =>
  openai.chat.completions.create({ model, messages: user(content) });
const sendBy = (anthropic: Anthropic, model: string, content = 'echo: hi there') =>
  anthropic.messages.create({ model, max_tokens: 1000, messages: user(content) });

export const openSimulatedClients = async (): Promise<SimulatedClients> => {
  const simulator = await startSimulator();
  const openai = new OpenAI({ apiKey: 'sk-test', baseURL: `${simulator.url}/v1`, maxRetries: 0 });
  const anthropic = new Anthropic({ apiKey: 'sk-ant-test', baseURL: simulator.url, maxRetries: 0 });
  return {
    simulator,
    openai,
    anthropic,
    chat: (model, content) => chatBy(openai, model, content),
    send: (model, content) => sendBy(anthropic, model, content),
    lastCall: () => {
      const call = simulator.log.calls.at(-1);
      if (call === undefined) throw new Error('no call was logged');
      return call;
    },
  };
};

/** What a call that must fail rejects with. */
export const errorOf = async (call: PromiseLike<unknown>): Promise<unknown> => {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error('the call succeeded');
};

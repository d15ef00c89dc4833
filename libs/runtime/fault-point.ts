/**
 * Named places in the code at which a test lets its process die without warning. Not armed, a place costs
 * one comparison; armed it is by two variables together, so that no production process can be by a slip.
 */
import { ConfigurationError, readText } from './config.ts';

export const FAULT_POINTS = [
  'ingress.authenticated',
  'ingress.publishing',
  'ingress.published',
  'worker.fetched',
  'worker.granted',
  'worker.acknowledged',
  'worker.headers',
  'worker.streaming',
  'worker.last_token',
  'worker.event_publishing',
  'worker.event_published',
  'worker.handing_over',
  'worker.handed_over',
  'metering.committing',
  'metering.committed',
  'metering.acknowledged',
  'jobs.accepting',
  'jobs.accepted',
  'jobs.recording',
  'jobs.recorded',
  'jobs.native_claimed',
  'jobs.native_creating',
  'jobs.native_created',
  'jobs.native_told',
  'jobs.native_recorded',
  'webhook.sent',
] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

/** `<point>` or `<point>:<n>`: the n-th time the point is passed, counted from 1. */
export const FAULT_POINT_VARIABLE = 'FLO2_FAULT_POINT';
export const FAULT_TESTS_VARIABLE = 'FLO2_FAULT_TESTS';

let armed: { point: FaultPoint; passesLeft: number } | null = null;

const isFaultPoint = (name: string): name is FaultPoint => FAULT_POINTS.some((point) => point === name);

/** Throws `ConfigurationError` for a point that is not known, and for any outside of fault tests. */
export const armFaultPoint = (env: NodeJS.ProcessEnv): void => {
  const text = readText(env, FAULT_POINT_VARIABLE);
  if (text === undefined) return;
  if (readText(env, FAULT_TESTS_VARIABLE) !== 'true') {
    throw new ConfigurationError([
      `${FAULT_POINT_VARIABLE} kills this process on purpose and is for flo2's own fault tests, which also set ${FAULT_TESTS_VARIABLE}=true; unset it.`,
    ]);
  }
  const [name = '', passes = '1'] = text.split(':', 2);
  if (!isFaultPoint(name) || !/^[1-9]\d{0,5}$/.test(passes)) {
    throw new ConfigurationError([
      `${FAULT_POINT_VARIABLE} is ${JSON.stringify(text)}; expected one of ${FAULT_POINTS.join(', ')}, and where wanted ":" and a count.`,
    ]);
  }
  armed = { point: name, passesLeft: Number(passes) };
};

/** Does nothing, unless a test has armed this point: then the process dies here as by `kill -9`. */
export const faultPoint = (point: FaultPoint): void => {
  if (armed === null || armed.point !== point) return;
  armed.passesLeft -= 1;
  if (armed.passesLeft === 0) process.kill(process.pid, 'SIGKILL');
};

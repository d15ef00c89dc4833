import { expect, it, vi } from 'vitest';
import { armFaultPoint, faultPoint } from './fault-point.ts';

it('is armed by two variables together, and refuses a point that there is not', () => {
  expect(() => armFaultPoint({ FLO2_FAULT_POINT: 'worker.granted' })).toThrow(/FLO2_FAULT_TESTS=true/);
  for (const point of ['worker.lunch', 'worker.granted:0', 'worker.granted:x']) {
    expect(() => armFaultPoint({ FLO2_FAULT_POINT: point, FLO2_FAULT_TESTS: 'true' })).toThrow(
      /expected one/,
    );
  }
});

it('kills the process at the pass that was asked for, and at no other point', () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  faultPoint('worker.granted');
  armFaultPoint({});
  faultPoint('worker.granted');
  armFaultPoint({ FLO2_FAULT_POINT: 'worker.granted:2', FLO2_FAULT_TESTS: 'true' });
  faultPoint('worker.fetched');
  faultPoint('worker.granted');
  expect(kill).not.toHaveBeenCalled();
  faultPoint('worker.granted');
  expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, 'SIGKILL');
  kill.mockRestore();
});

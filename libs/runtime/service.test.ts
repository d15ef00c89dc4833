import { describe, expect, it } from 'vitest';
import { createResources, InterruptedError } from './resources.ts';
import { areReady, startServices, stopServices, type Service } from './service.ts';

const recorded = (name: string, happenings: string[], changes: Partial<Service> = {}): Service => ({
  name,
  start: async () => void happenings.push(`start ${name}`),
  stop: async () => void happenings.push(`stop ${name}`),
  ready: () => true,
  ...changes,
});

describe('services', () => {
  it('start in order and stop in reverse', async () => {
    const happenings: string[] = [];
    const services = ['worker', 'ingress', 'http'].map((name) => recorded(name, happenings));
    await startServices(services, () => {});
    expect(await stopServices(services, 1_000)).toEqual({ late: [], failed: [] });
    expect(happenings).toEqual([
      'start worker',
      'start ingress',
      'start http',
      'stop http',
      'stop ingress',
      'stop worker',
    ]);
  });

  it('are only those that started when one does not', async () => {
    const happenings: string[] = [];
    const broken = recorded('ingress', happenings, { start: () => Promise.reject(new Error('no')) });
    const started: Service[] = [];
    const services = [recorded('worker', happenings), broken, recorded('http', happenings)];
    await expect(startServices(services, (service) => started.push(service))).rejects.toThrow('no');
    expect(started.map((service) => service.name)).toEqual(['worker']);
  });

  it('that hang or fail do not keep the others from stopping', async () => {
    const happenings: string[] = [];
    const error = new Error('no');
    const services = [
      recorded('metering', happenings),
      recorded('worker', happenings, { stop: () => new Promise(() => {}) }),
      recorded('ingress', happenings, { stop: () => Promise.reject(error) }),
    ];
    const report = await stopServices(services, 1);
    expect(report.failed).toEqual([{ name: 'ingress', error }]);
    expect(report.late).toEqual(['worker']);
    expect(happenings).toContain('stop metering');
  });

  it('are ready when all are', async () => {
    const all = [recorded('a', []), recorded('b', [], { ready: () => Promise.resolve(true) })];
    expect(await areReady(all)).toBe(true);
    expect(await areReady([...all, recorded('c', [], { ready: () => false })])).toBe(false);
    const broken = recorded('d', [], { ready: () => Promise.reject(new Error('no')) });
    expect(await areReady([...all, broken])).toBe(false);
  });
});

describe('resources', () => {
  it('close in the reverse order of their opening, whatever fails', async () => {
    const closed: string[] = [];
    const resources = createResources();
    const close = (name: string) => void closed.push(name);
    await resources.open('postgres', () => 'postgres', close);
    await resources.open(
      'nats',
      () => 'nats',
      () => Promise.reject(new Error('no')),
    );
    await resources.open('pool', () => Promise.resolve('pool'), close);
    expect(await resources.closeAll()).toEqual([{ name: 'nats', error: new Error('no') }]);
    expect(closed).toEqual(['pool', 'postgres']);
    expect(await resources.closeAll()).toEqual([]);
  });

  it('that take too long to close count as failed', async () => {
    const resources = createResources();
    await resources.open(
      'nats',
      () => 'nats',
      () => new Promise(() => {}),
      1,
    );
    expect(await resources.closeAll()).toMatchObject([{ name: 'nats' }]);
  });

  it('opened while the process is told to stop are closed again', async () => {
    const closed: string[] = [];
    const resources = createResources();
    const opening = Promise.withResolvers<string>();
    const opened = resources.open(
      'postgres',
      () => opening.promise,
      (name) => void closed.push(name),
    );
    resources.refuse();
    opening.resolve('postgres');
    await expect(opened).rejects.toThrow(InterruptedError);
    await expect(
      resources.open(
        'nats',
        () => 'nats',
        () => {},
      ),
    ).rejects.toThrow(InterruptedError);
    await resources.closeAll();
    expect(closed).toEqual(['postgres']);
  });
});

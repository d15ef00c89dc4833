import { JetStreamApiError, type JetStreamManager } from '@nats-io/jetstream';

type StreamSettings = Parameters<JetStreamManager['streams']['add']>[0];
type ConsumerSettings = Parameters<JetStreamManager['consumers']['add']>[1] & { durable_name: string };

const NOT_FOUND = 404;

const orNull = async <Info>(info: Promise<Info>): Promise<Info | null> => {
  try {
    return await info;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === NOT_FOUND) return null;
    throw error;
  }
};

/** The wanted settings that the server holds otherwise; what is not wanted is the server's own affair. */
const differing = (wanted: object, held: object): string[] => {
  const actual = new Map<string, unknown>(Object.entries(held));
  return Object.entries(wanted)
    .filter(([name, value]) => JSON.stringify(actual.get(name)) !== JSON.stringify(value))
    .map(([name]) => name);
};

const describe = (names: readonly string[], wanted: object, held: object): string => {
  const [want, have] = [new Map(Object.entries(wanted)), new Map(Object.entries(held))];
  return names
    .map(
      (name) => `${name} is ${JSON.stringify(have.get(name))} and must be ${JSON.stringify(want.get(name))}`,
    )
    .join('; ');
};

const ensure = async (
  what: string,
  wanted: object,
  calls: {
    read: () => Promise<object | null>;
    add: () => Promise<unknown>;
    update: () => Promise<unknown>;
  },
): Promise<void> => {
  let held = await calls.read();
  if (held === null) await calls.add();
  else if (differing(wanted, held).length > 0) {
    try {
      await calls.update();
    } catch (error) {
      if (!(error instanceof JetStreamApiError)) throw error;
      const changes = describe(differing(wanted, held), wanted, held);
      throw new Error(
        `The NATS server does not change its ${what} to what this flo2 needs (${error.message}): ${changes}. Drain it with the flo2 that made it, delete it, and start again.`,
        { cause: error },
      );
    }
  } else return;
  held = await calls.read();
  const different = held === null ? [] : differing(wanted, held);
  if (held !== null && different.length === 0) return;
  const reason = held === null ? 'it is gone again' : describe(different, wanted, held);
  throw new Error(`The NATS server keeps its ${what} other than this flo2 needs: ${reason}.`);
};

/** Creates a stream or brings it to these settings; rejects, naming the setting, where the server does not. */
export const ensureStream = (manager: JetStreamManager, settings: StreamSettings): Promise<void> =>
  ensure(`stream ${settings.name}`, settings, {
    read: async () => (await orNull(manager.streams.info(settings.name)))?.config ?? null,
    add: () => manager.streams.add(settings),
    update: () => manager.streams.update(settings.name, settings),
  });

/** The same for a durable consumer. */
export const ensureConsumer = (
  manager: JetStreamManager,
  stream: string,
  settings: ConsumerSettings,
): Promise<void> =>
  ensure(`consumer ${settings.durable_name} of ${stream}`, settings, {
    read: async () => (await orNull(manager.consumers.info(stream, settings.durable_name)))?.config ?? null,
    add: () => manager.consumers.add(stream, settings),
    update: () => manager.consumers.update(stream, settings.durable_name, settings),
  });

import type { NatsConnection } from '@nats-io/transport-node';
import { configurationChange } from '#contracts/configuration-change';
import { CONFIGURATION_CHANGED_SUBJECT } from '#contracts/subjects';
import type { ConfigurationChanges } from '#domain/ports';
import { watchConnection } from './connection.ts';

export const createConfigurationChanges = (connection: NatsConnection): ConfigurationChanges => ({
  announce: (change) => {
    connection.publish(CONFIGURATION_CHANGED_SUBJECT, JSON.stringify(change));
  },
  subscribe: (onChange) => {
    connection.subscribe(CONFIGURATION_CHANGED_SUBJECT, {
      callback: (error, message) => {
        if (error !== null) return;
        try {
          onChange(configurationChange.parse(message.json()));
        } catch {
          // Something changed that cannot be read: as if changes were missed.
          onChange(null);
        }
      },
    });
    watchConnection(connection).onReconnect(() => onChange(null));
  },
});

import { z } from 'zod';
import { tenantId } from './ids.ts';

/** Broadcast after a commit that changes a tenant's keys, routes or status; caches drop what they hold. */
export const configurationChange = z.object({ tenantId });
export type ConfigurationChange = z.infer<typeof configurationChange>;

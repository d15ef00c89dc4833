/** Bodies of `/api/v1/tenants/{t}/rates`. Unknown fields are refused. */
import { z } from 'zod';
import { providerKeyId } from './ids.ts';
import { PROVIDER_IDS } from './vocabulary.ts';

/** Of one tenant, ended ones included; all of them are held in memory where events are priced. */
export const NEGOTIATED_RATES_MAX = 1_000;
const TIERS_MAX = 20;
const DIGITS_MAX = 12;

const instant = z.iso.datetime({ offset: true, error: 'must be an RFC 3339 time like 2027-01-31T00:00:00Z' });
const decimal = z
  .string()
  .regex(/^\d{1,12}(?:\.\d{1,6})?$/, 'must be a decimal like "2.25", of at most 6 places');
const units = z
  .string()
  .regex(new RegExp(`^[1-9]\\d{0,${DIGITS_MAX + 3}}$`), 'must be a whole number of units, as text');

export const negotiatedRateBody = z
  .strictObject({
    provider: z.enum(PROVIDER_IDS, { error: `must be one of ${PROVIDER_IDS.join(', ')}` }),
    /** `*` stands for any characters. */
    model: z
      .string()
      .min(1)
      .max(256)
      .refine((text) => !text.includes('\0') && text.isWellFormed(), 'must be text without NUL'),
    component: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a component such as input or cache_read')
      .optional(),
    kind: z.enum(['absolute', 'discount']),
    /** `absolute`: USD per million units. `discount`: percent off the list rate. */
    value: decimal,
    effective_from: instant,
    effective_to: instant.optional(),
    provider_key: providerKeyId.optional(),
    /** Other values from so many units of a period on. */
    volume: z
      .strictObject({
        period: z.enum(['month', 'term']),
        tiers: z
          .array(z.strictObject({ from: units, value: decimal }))
          .min(1)
          .max(TIERS_MAX)
          .refine(
            (tiers) =>
              tiers.every(
                (tier, index) => index === 0 || BigInt(tier.from) > BigInt(tiers[index - 1]?.from ?? 0),
              ),
            'must ascend by from',
          ),
      })
      .optional(),
  })
  .refine(
    (body) =>
      body.effective_to === undefined || Date.parse(body.effective_from) < Date.parse(body.effective_to),
    {
      path: ['effective_to'],
      error: 'must be later than effective_from',
    },
  )
  .refine(
    (body) =>
      body.kind === 'absolute' ||
      [body.value, ...(body.volume?.tiers.map(({ value }) => value) ?? [])].every(
        (value) => Number(value) <= 100,
      ),
    { path: ['value'], error: 'must be a percentage from 0 to 100' },
  );
export type NegotiatedRateBody = z.infer<typeof negotiatedRateBody>;

/** Only when a rate ends can be changed: what it priced stays. */
export const negotiatedRatePatch = z.strictObject({ effective_to: instant.nullable() });

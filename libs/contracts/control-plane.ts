/** Bodies of the control plane, as clients write them. Unknown fields are refused. */
import { z } from 'zod';
import { TAG_KEY_LENGTH_MAX, LABEL_LENGTH_MAX, tags } from './attribution.ts';
import { batchMode } from './batch.ts';
import { TARGETS_MAX } from './dispatch.ts';
import { providerKeyId } from './ids.ts';
import { COMPATIBLE_DIALECTS, PROVIDER_IDS, ROUTE_STRATEGIES } from './vocabulary.ts';

export const NAME_LENGTH_MAX = 128;
/** Of one tenant; all of them are held in memory where requests are admitted. */
export const PROVIDER_KEYS_MAX = 1_000;
export const ROUTES_MAX = 1_000;
const SECRET_LENGTH_MAX = 4_096;
const GLOBS_MAX = 100;
const GLOB_LENGTH_MAX = 256;
const PAGE_MAX = 100;
const LIMIT_MAX = 1_000_000_000;
const WEIGHT_MAX = 1_000;
/** Teams, or features, of a tenant that have a weight of their own. */
const SHARES_MAX = 1_000;

const withoutNul = (text: string): boolean => !text.includes('\0') && text.isWellFormed();
const name = z.string().trim().min(1).max(NAME_LENGTH_MAX).refine(withoutNul, 'must be text without NUL');
const label = z.string().min(1).max(LABEL_LENGTH_MAX).refine(withoutNul, 'must be text without NUL');
const globs = z.array(z.string().min(1).max(GLOB_LENGTH_MAX).refine(withoutNul)).min(1).max(GLOBS_MAX);

const provider = z.enum(PROVIDER_IDS, { error: `must be one of ${PROVIDER_IDS.join(', ')}` });

const dialect = z.enum(COMPATIBLE_DIALECTS, { error: `must be one of ${COMPATIBLE_DIALECTS.join(', ')}` });

/** One line of visible ASCII: it goes into a header. */
const secret = z
  .string()
  .min(8)
  .max(SECRET_LENGTH_MAX)
  .regex(/^[\x21-\x7e]+$/, 'must be the key itself, without spaces or line breaks');

const baseUrl = z
  .string()
  .max(2_048)
  .refine((text) => {
    const url = URL.parse(text);
    if (url === null || !/^https?:$/.test(url.protocol) || url.href.includes('#')) return false;
    const query = [...url.searchParams.keys()];
    return url.href.includes('?') ? query.join() === 'api-version' : true;
  }, 'must be a URL such as https://api.example.com/v1, with no query but Azure\'s "api-version"')
  .transform((text) => new URL(text).href.replace(/\/+$/, ''));

/** Weights by name of a team or feature. */
const weights = z
  .record(label, z.int().min(1).max(WEIGHT_MAX))
  .refine((named) => Object.keys(named).length <= SHARES_MAX, `must name at most ${SHARES_MAX}`);

export const tenantBody = z.strictObject({ name });
export const tenantPatch = z
  .strictObject({
    name,
    weight: z.int().min(1).max(WEIGHT_MAX),
    shares: z.strictObject({ teams: weights.default({}), features: weights.default({}) }),
    /** How its batches' lines run where the batch does not say it. */
    batch_mode: batchMode,
  })
  .partial();
export type TenantPatch = z.infer<typeof tenantPatch>;

const limit = z.int().min(1).max(LIMIT_MAX).optional();
const limits = z.strictObject({ requests_per_minute: limit, tokens_per_minute: limit, concurrency: limit });

const providerKeySettings = {
  name,
  base_url: baseUrl.nullable(),
  /** Which server an `openai_compatible` one is, where its host does not tell. */
  dialect: dialect.nullable(),
  models: globs.nullable(),
  weight: z.int().min(1).max(WEIGHT_MAX),
  account: label.nullable(),
  provider_key_id: label.nullable(),
  /** What the provider allows the account, where its own answers do not say it. */
  limits,
};
export const providerKeyBody = z.strictObject({
  provider,
  secret,
  ...providerKeySettings,
  base_url: providerKeySettings.base_url.default(null),
  dialect: providerKeySettings.dialect.default(null),
  models: providerKeySettings.models.default(null),
  weight: providerKeySettings.weight.default(1),
  account: providerKeySettings.account.default(null),
  provider_key_id: providerKeySettings.provider_key_id.default(null),
  limits: limits.default({}),
  /** Whether the provider is asked if it takes the key before the key is stored. */
  verify: z.boolean().default(false),
});
export type ProviderKeyBody = z.infer<typeof providerKeyBody>;
export const providerKeyPatch = z.strictObject(providerKeySettings).partial();
export type ProviderKeyPatch = z.infer<typeof providerKeyPatch>;
export const rotateBody = z.strictObject({ secret });

const scope = z.enum(['inference', 'batch', 'usage:read', 'tenant:admin']);
const apiKeySettings = {
  name,
  team: label.nullable(),
  feature: label.nullable(),
  tags: tags.refine(
    (values) => Object.entries(values).every(([key, value]) => withoutNul(key) && withoutNul(value)),
    `must be text without NUL, keys at most ${TAG_KEY_LENGTH_MAX} long`,
  ),
  scopes: z.array(scope).min(1).max(scope.options.length),
  models: globs.nullable(),
  limits,
  allow_override: z.boolean(),
  expires_at: z.iso
    .datetime({ offset: true, error: 'must be an RFC 3339 time like 2027-01-31T00:00:00Z' })
    .nullable(),
};
export const apiKeyBody = z.strictObject({
  ...apiKeySettings,
  team: apiKeySettings.team.default(null),
  feature: apiKeySettings.feature.default(null),
  tags: apiKeySettings.tags.default({}),
  scopes: apiKeySettings.scopes.default(['inference', 'batch', 'usage:read']),
  models: apiKeySettings.models.default(null),
  limits: apiKeySettings.limits.default({}),
  allow_override: apiKeySettings.allow_override.default(false),
  expires_at: apiKeySettings.expires_at.default(null),
});
export type ApiKeyBody = z.infer<typeof apiKeyBody>;
export const apiKeyPatch = z.strictObject(apiKeySettings).partial();
export type ApiKeyPatch = z.infer<typeof apiKeyPatch>;

/** What a client may write in `model`, so no slash: that would be a provider's. */
export const routeName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, 'must be letters, digits, ".", "_", ":" or "-", at most 128');

export const routeBody = z.strictObject({
  strategy: z.enum(ROUTE_STRATEGIES, { error: `must be one of ${ROUTE_STRATEGIES.join(', ')}` }),
  targets: z
    .array(
      z.strictObject({
        model: z.string().min(1).max(256).refine(withoutNul),
        /** The target's part of the requests under `weighted`; the other strategies go without it. */
        weight: z.int().min(1).max(WEIGHT_MAX).optional(),
        provider_key: providerKeyId.optional(),
      }),
    )
    .min(1)
    .max(TARGETS_MAX),
  max_attempts: z.int().min(1).max(32).optional(),
  timeout_ms: z.int().min(1).max(3_600_000).optional(),
});
export type RouteBody = z.infer<typeof routeBody>;

export const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_MAX),
  cursor: z.string().max(512).optional(),
});

/** Every variable that any flo2 process reads; `docs/configuration.md` lists the same. */
import { z } from 'zod';
import { PROVIDER_IDS, providerId, type ProviderId } from '#contracts/vocabulary';
import { optionalSettingOf, settingOf } from './config.ts';
import { FAULT_POINT_VARIABLE, FAULT_TESTS_VARIABLE } from './fault-point.ts';

/** Held in memory while it is read, checked and sent on. */
const BODY_LIMIT_MAX_BYTES = 100 * 1024 * 1024;
const BODY_LIMIT_BYTES = 20 * 1024 * 1024;

const wholeNumber = (minimum: number, maximum: number) => ({
  expected: `a whole number from ${minimum} to ${maximum}`,
  schema: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(z.number().min(minimum).max(maximum)),
});

const switchedOnOrOff = {
  expected: 'true or false',
  schema: z.stringbool({ truthy: ['true', '1', 'on', 'yes'], falsy: ['false', '0', 'off', 'no'] }),
};

const isUrlOf = (protocols: readonly string[], text: string): boolean =>
  protocols.includes(URL.parse(text.trim())?.protocol ?? '');

const postgresUrl = z
  .string()
  .max(4_096)
  .refine((text) => isUrlOf(['postgres:', 'postgresql:'], text));

const natsUrls = z
  .string()
  .max(4_096)
  .refine((text) => text.split(',').every((server) => isUrlOf(['nats:', 'tls:'], server)));

const visibleText = (minimum: number, maximum: number) =>
  z.string().regex(new RegExp(`^[\\x21-\\x7e]{${minimum},${maximum}}$`));

const path = z
  .string()
  .max(4_096)
  .refine((text) => !text.includes('\0'));

const masterKey = z.string().transform((text, context): Buffer => {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 32 && bytes.toString('base64') === text) return bytes;
  context.addIssue('not base64 of 32 bytes');
  return z.NEVER;
});

const providerList = z
  .string()
  .transform((text) => text.split(',').map((name) => name.trim()))
  .pipe(z.array(providerId).min(1))
  .transform((names): ProviderId[] => [...new Set(names)]);

/** Everything that is needed to use a bucket, in one address. */
const objectStore = z
  .string()
  .max(4_096)
  .transform((text, context) => {
    const url = URL.parse(text);
    const bucketPath = url?.pathname.replace(/\/+$/, '') ?? '';
    if (
      url === null ||
      !['http:', 'https:'].includes(url.protocol) ||
      url.username === '' ||
      url.password === '' ||
      !/^\/[\w.-]+(?:\/[\w.-]+)*$/.test(bucketPath) ||
      [...url.searchParams.keys()].some((name) => name !== 'region')
    ) {
      context.addIssue('no address of a bucket');
      return z.NEVER;
    }
    const region = url.searchParams.get('region') ?? 'us-east-1';
    try {
      const accessKeyId = decodeURIComponent(url.username);
      const secretAccessKey = decodeURIComponent(url.password);
      return { origin: url.origin, bucketPath, region, accessKeyId, secretAccessKey };
    } catch {
      context.addIssue('its key or secret is not percent-encoded');
      return z.NEVER;
    }
  });

const upstreamKey = (variable: string, provider: string) =>
  optionalSettingOf(variable, {
    description: `Becomes the ${provider} key of the tenant "default" at the first start of \`npm start\`.`,
    expected: `an API key of ${provider}, without spaces`,
    schema: visibleText(8, 512),
    isSecret: true,
  });

export const SETTINGS = {
  host: settingOf('FLO2_HOST', {
    description: 'The address to listen on; `0.0.0.0` for every interface.',
    default: '127.0.0.1',
    expected: 'an IP address or host name',
    schema: z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/),
  }),
  port: settingOf('FLO2_PORT', {
    description: 'The TCP port to listen on; 0 takes a free one.',
    default: '8080',
    ...wholeNumber(0, 65_535),
  }),
  healthPort: optionalSettingOf('FLO2_HEALTH_PORT', {
    description: 'Where a process without other HTTP serves `/healthz` and `/readyz`; unset for nowhere.',
    ...wholeNumber(0, 65_535),
  }),
  dataDir: settingOf('FLO2_DATA_DIR', {
    description: 'Where `npm start` keeps its keys, its Postgres and its nats-server.',
    default: './.flo2',
    expected: 'the path of a directory',
    schema: path,
  }),
  databaseUrl: optionalSettingOf('DATABASE_URL', {
    description: 'The Postgres to use. `npm start` runs its own where it is unset.',
    expected: 'a URL such as postgres://user:password@host:5432/database',
    schema: postgresUrl,
    isSecret: true,
  }),
  natsUrl: optionalSettingOf('NATS_URL', {
    description: 'The NATS with JetStream to use. `npm start` runs its own where it is unset.',
    expected: 'a URL such as nats://user:password@host:4222, several separated by commas',
    schema: natsUrls,
    isSecret: true,
  }),
  natsServer: optionalSettingOf('FLO2_NATS_SERVER', {
    description: 'The nats-server program for `npm start` to run instead of one it finds or fetches.',
    expected: 'the path of a nats-server program',
    schema: path,
  }),
  adminKey: optionalSettingOf('FLO2_ADMIN_KEY', {
    description:
      'The root key of the control plane. `npm start` makes one and keeps it in its data directory.',
    expected: '8 to 256 visible ASCII characters, best made by a random generator',
    schema: visibleText(8, 256),
    isSecret: true,
  }),
  masterKey: optionalSettingOf('FLO2_MASTER_KEY', {
    description:
      'The key-encryption key above all provider keys. `npm start` makes one, except for a Postgres of your own.',
    expected: 'base64 of 32 bytes, as "openssl rand -base64 32" prints it',
    schema: masterKey,
    isSecret: true,
  }),
  allowPrivateUpstreams: settingOf('FLO2_ALLOW_PRIVATE_UPSTREAMS', {
    description: 'Lets base URLs point at loopback and private addresses, for development.',
    default: 'false',
    ...switchedOnOrOff,
  }),
  workerProviders: settingOf('FLO2_WORKER_PROVIDERS', {
    description: 'The providers this worker calls.',
    default: PROVIDER_IDS.join(','),
    expected: `a comma-separated list of ${PROVIDER_IDS.join(', ')}`,
    schema: providerList,
  }),
  workerConcurrency: settingOf('FLO2_WORKER_CONCURRENCY', {
    description: 'How many requests a worker holds at once for each provider.',
    default: '256',
    ...wholeNumber(1, 4_096),
  }),
  workerQueuedConcurrency: settingOf('FLO2_WORKER_QUEUED_CONCURRENCY', {
    description:
      'How many jobs, and beside them how many lines of batches, a worker holds at once for each provider.',
    default: '128',
    ...wholeNumber(1, 4_096),
  }),
  objectStore: optionalSettingOf('FLO2_OBJECT_STORE', {
    description:
      'A bucket of S3, or of a store that speaks its API, for the bytes of uploaded files; they lie in Postgres without one. Key and secret are percent-encoded.',
    expected: 'https://access-key:secret@host/bucket?region=us-east-1',
    schema: objectStore,
    isSecret: true,
  }),
  bodyLimitBytes: settingOf('FLO2_BODY_LIMIT_BYTES', {
    description: 'The largest request body taken.',
    default: String(BODY_LIMIT_BYTES),
    ...wholeNumber(1_024, BODY_LIMIT_MAX_BYTES),
  }),
  requestTimeoutMs: settingOf('FLO2_REQUEST_TIMEOUT_MS', {
    description: 'How long a request may take that names no `x-flo2-timeout-ms`, queueing included.',
    default: '600000',
    ...wholeNumber(1_000, 3_600_000),
  }),
  connectTimeoutMs: settingOf('FLO2_CONNECT_TIMEOUT_MS', {
    description: 'How long connecting to a provider may take.',
    default: '10000',
    ...wholeNumber(100, 120_000),
  }),
  firstByteTimeoutMs: settingOf('FLO2_FIRST_BYTE_TIMEOUT_MS', {
    description:
      'How long a provider may take to begin its answer, where the route says nothing; never more than what the deadline leaves.',
    default: '600000',
    ...wholeNumber(100, 3_600_000),
  }),
  idleTimeoutMs: settingOf('FLO2_IDLE_TIMEOUT_MS', {
    description: 'How long a provider may be silent in the middle of its answer.',
    default: '300000',
    ...wholeNumber(100, 3_600_000),
  }),
  streamKeepAliveMs: settingOf('FLO2_STREAM_KEEP_ALIVE_MS', {
    description:
      'After how much silence in a stream the client is sent a comment, so that nothing between gives up.',
    default: '15000',
    ...wholeNumber(100, 600_000),
  }),
  priceChangePercentMax: settingOf('FLO2_PRICE_CHANGE_PERCENT_MAX', {
    description:
      'By how many percent a list price may change with a new release of flo2 before a person must promote it.',
    default: '0',
    ...wholeNumber(0, 1_000),
  }),
  ledgerRetentionMonths: settingOf('FLO2_LEDGER_RETENTION_MONTHS', {
    description:
      'For how many whole months the ledger keeps events and charges; their hourly and daily sums stay. 0 keeps all.',
    default: '0',
    ...wholeNumber(0, 1_200),
  }),
  jobResultSeconds: settingOf('FLO2_JOB_RESULT_SECONDS', {
    description:
      'How long the answer of a job is kept that names no `result_ttl`; 0 keeps it until it is fetched once.',
    default: '86400',
    ...wholeNumber(0, 2_592_000),
  }),
  nativeBatchPollMs: settingOf('FLO2_NATIVE_BATCH_POLL_MS', {
    description:
      'The shortest time between two looks at a batch that a provider runs by its own batch API; older ones are looked at less often. What a lost call may still do is waited for twice as long.',
    default: '30000',
    ...wholeNumber(50, 600_000),
  }),
  drainNoticeMs: settingOf('FLO2_DRAIN_NOTICE_MS', {
    description:
      'How long an ingress that is told to stop still takes requests while it says it is not ready, so that a load balancer notices first.',
    default: '2000',
    ...wholeNumber(0, 120_000),
  }),
  drainTimeoutMs: settingOf('FLO2_DRAIN_TIMEOUT_MS', {
    description: 'How long a process that is told to stop may take to finish what it has in hand.',
    default: '30000',
    ...wholeNumber(0, 600_000),
  }),
  url: settingOf('FLO2_URL', {
    description: 'Where the command line finds flo2.',
    default: 'http://127.0.0.1:8080',
    expected: 'a URL such as http://127.0.0.1:8080',
    schema: z
      .string()
      .max(4_096)
      .refine((text) => isUrlOf(['http:', 'https:'], text)),
  }),
  apiKey: optionalSettingOf('FLO2_API_KEY', {
    description: 'The API key of the command line, where it has no `FLO2_ADMIN_KEY`.',
    expected: 'an API key of flo2, without spaces',
    schema: visibleText(8, 256),
    isSecret: true,
  }),
  logLevel: settingOf('LOG_LEVEL', {
    description: 'The least important lines to log.',
    default: 'info',
    expected: 'fatal, error, warn, info, debug, trace or silent',
    schema: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
  }),
  openaiApiKey: upstreamKey('OPENAI_API_KEY', 'OpenAI'),
  anthropicApiKey: upstreamKey('ANTHROPIC_API_KEY', 'Anthropic'),
  geminiApiKey: upstreamKey('GEMINI_API_KEY', 'Google'),
  mistralApiKey: upstreamKey('MISTRAL_API_KEY', 'Mistral'),
  groqApiKey: upstreamKey('GROQ_API_KEY', 'Groq'),
  openrouterApiKey: upstreamKey('OPENROUTER_API_KEY', 'OpenRouter'),
};

/** What every process needs. */
export const PROCESS_SETTINGS = {
  logLevel: SETTINGS.logLevel,
  drainTimeoutMs: SETTINGS.drainTimeoutMs,
};

/** Read by flo2's tests and clients, not by its processes. */
const READ_ELSEWHERE = [
  'FLO2_TEST_SERVICES',
  'FLO2_WIRE_RECORDINGS',
  FAULT_POINT_VARIABLE,
  FAULT_TESTS_VARIABLE,
];

export const KNOWN_VARIABLES: ReadonlySet<string> = new Set([
  ...Object.values(SETTINGS).map((setting) => setting.variable),
  ...READ_ELSEWHERE,
]);

/** What `npm start` tells a person at the terminal. */
import type { ProviderId } from '#contracts/vocabulary';
import { DEMO_ROUTE } from './demo-tenant.ts';
import { showPath, type StoredKey } from './data-directory.ts';

const EXAMPLE_MODELS: Readonly<Record<ProviderId, string>> = {
  openai: 'openai/gpt-4o-mini',
  anthropic: 'anthropic/claude-haiku-4-5',
  google: 'google/gemini-2.5-flash',
  mistral: 'mistral/mistral-small-latest',
  groq: 'groq/llama-3.1-8b-instant',
  openrouter: 'openrouter/openai/gpt-4o-mini',
  openai_compatible: 'openai_compatible/<model>',
};

const chatCurl = (url: string, apiKey: string, model: string): string =>
  [
    `  curl -N ${url}/v1/chat/completions \\`,
    `    -H 'authorization: Bearer ${apiKey}' -H 'content-type: application/json' \\`,
    `    -d '{"model":"${model}","stream":true,"messages":[{"role":"user","content":"Say hello."}]}'`,
  ].join('\n');

export const describeNewAdminKey = (adminKey: StoredKey<string>): string =>
  `Admin key, shown this once and kept in ${showPath(adminKey.path)}: ${adminKey.text}`;

/** After provider keys were imported; shows the new API key, which cannot be had again. */
export const describeImport = (url: string, apiKey: string, providers: readonly ProviderId[]): string => {
  const [first = 'openai'] = providers;
  return [
    `The tenant "default" uses your key of ${providers.join(' and ')}. Its API key, shown this once: ${apiKey}`,
    'Try it:',
    chatCurl(url, apiKey, EXAMPLE_MODELS[first]),
  ].join('\n');
};

/** For a flo2 that may not have a tenant yet. */
export const describeFirstSteps = (url: string, adminKeyPath: string | null): string => {
  const adminKey = adminKeyPath === null ? '$FLO2_ADMIN_KEY' : `$(cat ${showPath(adminKeyPath)})`;
  const post = (path: string, body: string): string =>
    `  curl ${url}/api/v1${path} -H "authorization: Bearer ${adminKey}" -H 'content-type: application/json' -d '${body}'`;
  return [
    'To get going, make a tenant, give it a provider key, and make an API key:',
    post('/tenants', '{"name":"acme"}'),
    post('/tenants/ten_…/provider-keys', '{"provider":"openai","name":"main","secret":"sk-…"}'),
    post('/tenants/ten_…/api-keys', '{"name":"first"}'),
    'Without a provider key of your own, "npm start -- --demo" shows it all on simulated providers.',
  ].join('\n');
};

/** The README shows the same commands. */
export const describeDemo = (environmentPath: string): string =>
  [
    'This is the demo: simulated providers, a tenant that uses them, and a little traffic of its own.',
    'In another terminal, take its address and API key:',
    `  source ${showPath(environmentPath)}`,
    'A streamed answer:',
    '  curl -N $FLO2_URL/v1/chat/completions \\',
    `    -H "authorization: Bearer $FLO2_API_KEY" -H 'content-type: application/json' \\`,
    `    -d '{"model":"openai/gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"Say hello."}]}'`,
    'What the tenant has cost, to the pico-dollar:',
    '  curl $FLO2_URL/api/v1/usage/query \\',
    `    -H "authorization: Bearer $FLO2_API_KEY" -H 'content-type: application/json' \\`,
    `    -d '{"from":"2026-01-01T00:00:00Z","to":"2100-01-01T00:00:00Z","granularity":"total","group_by":["team","model"]}'`,
    `The model name "${DEMO_ROUTE}" is a route: its first provider always fails, and the second one answers.`,
  ].join('\n');

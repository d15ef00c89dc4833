/** Azure's addresses: https://learn.microsoft.com/azure/ai-foundry/openai/reference */

/** The newest version that is no preview, for an address that names none. */
const API_VERSION = '2024-10-21';

export type AzureAddress = {
  baseUrl: string;
  /** Where an operation of a model is; a model's name is its deployment's. */
  deploymentPath: (model: string, operation: string) => string;
  modelsPath: string;
  /** Null where the version that is named may not have the endpoint. */
  responsesPath: string | null;
};

const VERSIONED = /\/openai\/v\d+$/;
const DEPLOYMENT = /^(.*)\/deployments\/([^/]+)(?:\/.*)?$/;

/**
 * `https://{resource}/openai/v1` has the paths of OpenAI, with no version asked for. Elsewhere each
 * deployment has a path of its own and a version is named: `https://{resource}`, with `/openai` or not, and
 * `/openai/deployments/{deployment}`, which serves that one alone. The version is in the address as
 * `?api-version=`.
 */
export const readAzureAddress = (url: URL): AzureAddress => {
  const path = url.pathname.replace(/\/+$/, '');
  const given = url.searchParams.get('api-version');
  if (VERSIONED.test(path)) {
    const query = given === null ? '' : `?api-version=${encodeURIComponent(given)}`;
    return {
      baseUrl: url.origin + path,
      deploymentPath: (_model, operation) => operation + query,
      modelsPath: `/models${query}`,
      responsesPath: `/responses${query}`,
    };
  }
  const query = `?api-version=${encodeURIComponent(given ?? API_VERSION)}`;
  const [, before, only] = DEPLOYMENT.exec(path) ?? [];
  const root = before ?? (path.endsWith('/openai') ? path : `${path}/openai`);
  return {
    baseUrl: url.origin + root,
    deploymentPath: (model, operation) =>
      `/deployments/${only ?? encodeURIComponent(model)}${operation}${query}`,
    modelsPath: `/models${query}`,
    responsesPath: null,
  };
};

import { findJsonMember, replaceJsonMembers } from '../json-members.ts';

/** A model's resource: tuned models have a collection of their own. */
export const resourceOf = (model: string): string =>
  /^(?:models|tunedModels)\//.test(model) ? model : `models/${model}`;

export const methodPath = (model: string, method: string): string =>
  `/${resourceOf(model).split('/').map(encodeURIComponent).join('/')}:${method}`;

/** The API names the model in the path; a body that names it too must name the same. */
export const namedInPath = (body: Uint8Array, model: string): Uint8Array =>
  findJsonMember(body, 'model') === null ? body : replaceJsonMembers(body, { model: resourceOf(model) });

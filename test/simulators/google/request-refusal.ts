import type { z } from 'zod';
import type { Failure } from '../provider.ts';
import { leadingIssue, valueAt } from '../schema-issue.ts';

export const invalidArgument = (message: string): Failure => ({
  status: 400,
  type: 'INVALID_ARGUMENT',
  message,
});

/** `contents[0].parts[1].text`, with names as the API's own protocol writes them. */
const locate = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    const name = String(key).replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return text === '' ? name : `${text}.${name}`;
  }, '');

/** What a failed validation reads like in an answer of the API. */
export const refusalOfIssue = (issues: readonly z.core.$ZodIssue[], body: unknown): Failure => {
  const issue = leadingIssue(issues);
  const at = locate(issue.path);
  if (issue.code === 'unrecognized_keys')
    return invalidArgument(
      `Invalid JSON payload received. Unknown name "${issue.keys[0] ?? ''}"${at === '' ? '' : ` at '${at}'`}: Cannot find field.`,
    );
  const value = valueAt(body, issue.path);
  if (value === undefined) return invalidArgument(`* GenerateContentRequest.${at}: ${at} is not specified`);
  return invalidArgument(`Invalid value at '${at}': ${issue.message}`);
};

import type { z } from 'zod';
import type { Failure } from '../provider.ts';
import { leadingIssue, valueAt } from '../schema-issue.ts';

const KINDS: Record<string, string> = {
  string: 'a valid string',
  number: 'a valid number',
  int: 'a valid integer',
  boolean: 'a valid boolean',
  array: 'a valid array',
  object: 'an object',
  record: 'a valid dictionary',
};

const isContentBlock = (path: readonly PropertyKey[], position: number): boolean =>
  typeof path[position] === 'number' && ['content', 'system', 'tools'].includes(String(path[position - 1]));

/** `messages.0.content.1.text.text`: the API names the kind of a block inside the path to its fields. */
const locate = (body: unknown, path: readonly PropertyKey[]): string => {
  const segments: string[] = [];
  path.forEach((key, position) => {
    segments.push(String(key));
    if (!isContentBlock(path, position) || position === path.length - 1) return;
    const kind = valueAt(body, [...path.slice(0, position + 1), 'type']);
    if (path[position - 1] === 'tools') segments.push(typeof kind === 'string' ? kind : 'custom');
    else if (typeof kind === 'string' && path[position + 1] !== 'type') segments.push(kind);
  });
  return segments.join('.');
};

const explain = (issue: z.core.$ZodIssue, value: unknown): string => {
  if (value === undefined) return 'Field required';
  switch (issue.code) {
    case 'invalid_type':
      return `Input should be ${KINDS[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `Input should be ${issue.values.map((allowed) => `'${String(allowed)}'`).join(' or ')}`;
    case 'too_small':
      return typeof value === 'number'
        ? `Input should be greater than or equal to ${issue.minimum}`
        : `At least ${issue.minimum} item is required`;
    case 'too_big':
      return typeof value === 'number'
        ? `Input should be less than or equal to ${issue.maximum}`
        : `At most ${issue.maximum} items are allowed`;
    case 'invalid_format':
      return `String should match pattern '${'pattern' in issue ? issue.pattern.slice(1, -1) : ''}'`;
    case 'invalid_union':
      return typeof value === 'string'
        ? `Input tag '${value}' found using 'type' does not match any of the expected tags`
        : 'Input should be a valid string or array';
    default:
      return issue.message;
  }
};

/** What a failed validation reads like in an answer of the API. */
export const refusalOfIssue = (issues: readonly z.core.$ZodIssue[], body: unknown): Failure => {
  const issue = leadingIssue(issues);
  const refused = (message: string): Failure => ({ status: 400, type: 'invalid_request_error', message });
  if (issue.code === 'unrecognized_keys')
    return refused(`${locate(body, [...issue.path, issue.keys[0] ?? ''])}: Extra inputs are not permitted`);
  if (issue.path.at(-1) === 'role' && valueAt(body, issue.path) === 'system')
    return refused(
      'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" as an input message role.',
    );
  return refused(`${locate(body, issue.path)}: ${explain(issue, valueAt(body, issue.path))}`);
};

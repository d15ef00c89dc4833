import type { z } from 'zod';
import type { Failure } from '../provider.ts';
import { leadingIssue, valueAt } from '../schema-issue.ts';

const KINDS: Record<string, string> = {
  string: 'a string',
  number: 'a decimal',
  int: 'an integer',
  boolean: 'a boolean',
  array: 'an array',
  object: 'an object',
  record: 'an object',
};

const kindOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a decimal';
  return KINDS[typeof value] ?? typeof value;
};

/** `messages[0].content` as the API writes it. */
const paramOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`,
    '',
  );

const quoted = (values: readonly unknown[]): string => values.map((value) => `'${String(value)}'`).join(', ');

/** What a failed validation reads like in an answer of the API. */
export const refusalOfIssue = (issues: readonly z.core.$ZodIssue[], body: unknown): Failure => {
  const issue = leadingIssue(issues);
  const value = valueAt(body, issue.path);
  const param = paramOf(issue.path);
  const refused = (message: string, code: string | null, at: string | null = param): Failure => ({
    status: 400,
    type: 'invalid_request_error',
    message,
    param: at,
    code,
  });
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    if (param === '') return refused(`Unrecognized request argument supplied: ${key}`, null, null);
    return refused(`Unknown parameter: '${param}.${key}'.`, 'unknown_parameter', `${param}.${key}`);
  }
  if (value === undefined)
    return refused(`Missing required parameter: '${param}'.`, 'missing_required_parameter');
  switch (issue.code) {
    case 'invalid_type':
      return refused(
        `Invalid type for '${param}': expected ${KINDS[issue.expected] ?? issue.expected}, but got ${kindOf(value)} instead.`,
        'invalid_type',
      );
    case 'invalid_value':
      return refused(
        `Invalid value: '${String(value)}'. Supported values are: ${quoted(issue.values)}.`,
        'invalid_value',
      );
    case 'too_small':
    case 'too_big': {
      const below = issue.code === 'too_small';
      const bound = below ? issue.minimum : issue.maximum;
      if (typeof value === 'string')
        return refused(
          `Invalid '${param}': string too long. Expected a string with maximum length ${bound}.`,
          'string_above_max_length',
        );
      if (Array.isArray(value))
        return refused(
          `Invalid '${param}': array too ${below ? 'short' : 'long'}. Expected an array with ${below ? 'minimum' : 'maximum'} length ${bound}.`,
          below ? 'empty_array' : 'array_above_max_length',
        );
      const kind = Number.isInteger(value) ? 'integer' : 'decimal';
      return refused(
        `Invalid '${param}': ${kind} ${below ? 'below minimum' : 'above maximum'} value. Expected a value ${below ? '>=' : '<='} ${bound}, but got ${String(value)} instead.`,
        `${kind}_${below ? 'below_min' : 'above_max'}_value`,
      );
    }
    case 'invalid_union':
      // A discriminator nobody knows has a scalar for a value; otherwise no branch takes the type.
      return typeof value === 'string'
        ? refused(`Invalid value: '${value}'.`, 'invalid_value')
        : refused(`Invalid type for '${param}': got ${kindOf(value)}.`, 'invalid_type');
    default:
      return refused(`Invalid '${param}': ${issue.message}.`, 'invalid_value');
  }
};

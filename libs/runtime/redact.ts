/** Keeps keys out of the log: by the name of a field, and by what a key looks like wherever it stands. */

const REDACTED = '[redacted]';
const DEPTH_MAX = 6;
const ENTRIES_MAX = 64;

/** Ids of keys and counts of tokens are no secrets and stay. */
const SECRET_NAME =
  /^(?:.*(?:secret|password|passphrase|authorization|cookie|credential)s?|.*(?:api|admin|master|private|provider)[-_]?key|key|(?:access|refresh|bearer|id)?[-_]?token)$/i;

const SECRET_SHAPES: readonly (readonly [RegExp, string])[] = [
  [/\bBearer\s+[^\s"',\\]{8,}/gi, `Bearer ${REDACTED}`],
  [/\bflo2_[A-Za-z0-9_]{16,}/g, REDACTED],
  [/\b(?:sk|gsk|xai)-?_?[A-Za-z0-9_-]{12,}/g, REDACTED],
  [/\bAIza[A-Za-z0-9_-]{20,}/g, REDACTED],
  // Not past the end of a JSON string, so that the line stays one.
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/@"\\]+@/gi, `$1${REDACTED}@`],
];

export const isSecretName = (name: string): boolean => SECRET_NAME.test(name);

/** Replaces whatever looks like a key in a text; a JSON text stays one. */
export const redactText = (text: string): string => {
  let redacted = text;
  for (const [shape, replacement] of SECRET_SHAPES) redacted = redacted.replace(shape, replacement);
  return redacted;
};

/** Node puts what happened at each address of a host into the parts and leaves the whole without words. */
const messageOfAll = (error: AggregateError): string =>
  error.message !== ''
    ? error.message
    : error.errors
        .slice(0, 4)
        .map((part: unknown) => (part instanceof Error ? part.message : String(part)))
        .join('; ');

/** The query builder puts a statement's parameters into its message. */
const isQueryError = (error: Error): boolean =>
  'query' in error && 'params' in error && error.cause !== undefined;

/**
 * Of an error the class, message, code and stack. Drivers hang more on theirs, rows and statements
 * among it, which is left out.
 */
const describeError = (error: Error, depth: number): object =>
  isQueryError(error)
    ? { type: error.name, message: 'a query failed', cause: redactValue(error.cause, depth + 1) }
    : describePlainError(error, depth);

const describePlainError = (error: Error, depth: number): object => ({
  type: error.name,
  message: error instanceof AggregateError ? messageOfAll(error) : error.message,
  ...('code' in error && typeof error.code === 'string' ? { code: error.code } : {}),
  ...(error.stack === undefined ? {} : { stack: error.stack }),
  ...(error.cause === undefined ? {} : { cause: redactValue(error.cause, depth + 1) }),
});

/** A copy that is safe to log: bounded in depth and breadth, without the values of secret fields. */
export const redactValue = (value: unknown, depth = 0): unknown => {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH_MAX) return '[deeper]';
  if (value instanceof Error) return describeError(value, depth);
  if (value instanceof Date) return value;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, ENTRIES_MAX).map((entry) => redactValue(entry, depth + 1));
  return redactFields(value, depth);
};

export const redactFields = (fields: object, depth = 0): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields)
      .slice(0, ENTRIES_MAX)
      .map(([name, value]) => [
        name,
        isSecretName(name) && value !== null && value !== undefined
          ? REDACTED
          : redactValue(value, depth + 1),
      ]),
  );

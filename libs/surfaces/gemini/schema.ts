import { isObject, readObject, refuse } from '../field-reader.ts';

const DEPTH_MAX = 64;
/** Words of the API's own for what the order or the reader of a schema is told; they bind no value. */
const BINDS_NOTHING: ReadonlySet<string> = new Set(['propertyOrdering', 'property_ordering', 'example']);
/** Whole numbers that its JSON writes as text. */
const COUNTS: ReadonlySet<string> = new Set([
  'minItems',
  'maxItems',
  'minLength',
  'maxLength',
  'minProperties',
  'maxProperties',
]);
const SNAKE_CASE: Readonly<Record<string, string>> = {
  any_of: 'anyOf',
  min_items: 'minItems',
  max_items: 'maxItems',
  min_length: 'minLength',
  max_length: 'maxLength',
  min_properties: 'minProperties',
  max_properties: 'maxProperties',
};

const convert = (value: unknown, param: string, depth: number): Record<string, unknown> => {
  if (depth > DEPTH_MAX) refuse(param, `must not be nested deeper than ${DEPTH_MAX} levels.`);
  const schema: Record<string, unknown> = {};
  let isNullable = false;
  for (const [written, field] of Object.entries(readObject(value, param))) {
    const name = SNAKE_CASE[written] ?? written;
    const at = `${param}.${written}`;
    if (BINDS_NOTHING.has(name)) continue;
    if (name === 'nullable') isNullable = field === true;
    else if (name === 'type') schema['type'] = typeof field === 'string' ? field.toLowerCase() : field;
    else if (name === 'items') schema['items'] = convert(field, at, depth + 1);
    else if (name === 'anyOf' && Array.isArray(field)) {
      schema['anyOf'] = field.map((option, index) => convert(option, `${at}.${index}`, depth + 1));
    } else if (name === 'properties' && isObject(field)) {
      schema['properties'] = Object.fromEntries(
        Object.entries(field).map(([property, of]) => [
          property,
          convert(of, `${at}.${property}`, depth + 1),
        ]),
      );
    } else if (name === 'format' && field === 'enum') continue;
    else schema[name] = COUNTS.has(name) && typeof field === 'string' ? Number(field) : field;
  }
  if (schema['type'] === 'type_unspecified') delete schema['type'];
  if (!isNullable || typeof schema['type'] !== 'string') return schema;
  const choices = schema['enum'];
  return {
    ...schema,
    type: [schema['type'], 'null'],
    ...(Array.isArray(choices) && { enum: [...choices, null] }),
  };
};

/**
 * The API's `Schema`, a dialect of OpenAPI 3.0, as JSON Schema: types in lower case, `nullable` as one more
 * type. What else it shares with JSON Schema stays as it is.
 */
export const readApiSchema = (value: unknown, param: string): Record<string, unknown> =>
  convert(value, param, 0);

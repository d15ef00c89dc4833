const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Why a schema cannot be enforced exactly, in the API's words; null where it can. */
export const whyNotStrict = (schema: unknown, context: readonly string[] = []): string | null => {
  if (!isObject(schema)) return null;
  const at = `In context=(${context.map((name) => `'${name}'`).join(', ')})`;
  const properties = schema['properties'];
  if (schema['type'] === 'object' || isObject(properties)) {
    if (schema['additionalProperties'] !== false)
      return `${at}, 'additionalProperties' is required to be supplied and to be false.`;
    const names = isObject(properties) ? Object.keys(properties) : [];
    const required: unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
    const missing = names.find((name) => !required.includes(name));
    if (missing !== undefined)
      return `${at}, 'required' is required to be supplied and to be an array including every key in properties. Missing '${missing}'.`;
    for (const name of names) {
      const inner = whyNotStrict(isObject(properties) ? properties[name] : null, [
        ...context,
        'properties',
        name,
      ]);
      if (inner !== null) return inner;
    }
  }
  return isObject(schema['items']) ? whyNotStrict(schema['items'], [...context, 'items']) : null;
};

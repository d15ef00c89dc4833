import { describe, expect, it } from 'vitest';
import { readApiSchema } from './schema.ts';

describe('a schema of the API as JSON Schema', () => {
  it('has types in lower case, null as a type, and counts as numbers, at every depth', () => {
    expect(
      readApiSchema(
        {
          type: 'OBJECT',
          properties: {
            tags: { type: 'ARRAY', items: { type: 'STRING', maxLength: '8' }, min_items: '1' },
            kind: { type: 'STRING', format: 'enum', enum: ['a', 'b'], nullable: true },
            either: { anyOf: [{ type: 'INTEGER' }, { type: 'NUMBER', minimum: 0 }] },
          },
          required: ['tags'],
          propertyOrdering: ['tags', 'kind'],
        },
        'schema',
      ),
    ).toEqual({
      type: 'object',
      properties: {
        tags: { type: 'array', items: { type: 'string', maxLength: 8 }, minItems: 1 },
        kind: { type: ['string', 'null'], enum: ['a', 'b', null] },
        either: { anyOf: [{ type: 'integer' }, { type: 'number', minimum: 0 }] },
      },
      required: ['tags'],
    });
  });

  it('leaves JSON Schema as it is', () => {
    const schema = {
      type: ['string', 'null'],
      additionalProperties: false,
      $defs: { a: { type: 'string' } },
    };
    expect(readApiSchema(schema, 'schema')).toEqual(schema);
  });

  it('is refused without an end', () => {
    let schema: object = { type: 'STRING' };
    for (let depth = 0; depth < 100; depth += 1) schema = { type: 'ARRAY', items: schema };
    expect(() => readApiSchema(schema, 'schema')).toThrow(/deeper/);
  });
});

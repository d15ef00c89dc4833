import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { writeCompatibility } from '#test/compatibility/document';

it('docs/compatibility.md says what the translators do, and nothing is dropped in silence', async () => {
  const written = await readFile(new URL('../../docs/compatibility.md', import.meta.url), 'utf8');
  expect(written, 'run "npm run generate-compatibility"').toBe(writeCompatibility());
});

/** `npm run generate-compatibility`: writes docs/compatibility.md anew. */
import { writeFile } from 'node:fs/promises';
import { writeCompatibility } from './document.ts';

await writeFile(new URL('../../docs/compatibility.md', import.meta.url), writeCompatibility());

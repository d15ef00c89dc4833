import { z } from 'zod';

/** Lines as a file to upload; a text is a line as it is. */
export const linesFile = (lines: readonly unknown[]): Buffer =>
  Buffer.from(lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));

const object = z.record(z.string(), z.unknown());

/** The lines of results, by the id that each carries. */
export const resultsBy = (idName: string, text: string): Record<string, Record<string, unknown>> =>
  Object.fromEntries(
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => object.parse(JSON.parse(line)))
      .map((line) => [String(line[idName]), line]),
  );

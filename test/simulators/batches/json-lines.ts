const NEWLINE = 0x0a;

/** The lines of a file that are not blank, cut from its bytes when they are asked for. */
export class JsonLines {
  readonly #bytes: Buffer;
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #numbers: number[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    let number = 0;
    for (let start = 0; start < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline;
      number += 1;
      if (!isBlank(bytes, start, end)) {
        this.#starts.push(start);
        this.#ends.push(end);
        this.#numbers.push(number);
      }
      start = end + 1;
    }
  }

  get count(): number {
    return this.#starts.length;
  }

  text(index: number): string {
    return this.#bytes.toString('utf8', this.#starts[index], this.#ends[index]);
  }

  /** Where the line stands in the file, from 1, blank lines counted. */
  numberOf(index: number): number {
    return this.#numbers[index] ?? 0;
  }
}

const isBlank = (bytes: Buffer, start: number, end: number): boolean => {
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  }
  return true;
};

/** Requests that came in one body, as lines. */
export const linesOf = (requests: readonly unknown[]): JsonLines =>
  new JsonLines(Buffer.from(requests.map((request) => JSON.stringify(request)).join('\n')));

/** Undefined where the text is no JSON. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Numbers calls and lines of batches alike, in the order of their arrival. */
export class CallSequence {
  #last = 0;

  next(): number {
    this.#last += 1;
    return this.#last;
  }
}

/**
 * 32 hexadecimal digits: unlike the text of an answer, ids never repeat, so that the sequence takes the place
 * of the body's last digits.
 */
export const uniqueOf = (bodySha256: string, sequence: number): string =>
  `${bodySha256.slice(0, 12)}${sequence.toString(16).padStart(8, '0')}${bodySha256.slice(12, 24)}`;

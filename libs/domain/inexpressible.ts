import { FloError } from './errors.ts';

const DROPPED_MAX = 32;
const PARAM_LENGTH_MAX = 64;

const ADVICE =
  'cannot be asked of a model of this provider. Leave it out, or send the header "x-flo2-drop-params: true" to have it left out.';

/**
 * What becomes of a parameter that the target of a request has no word for: the request is refused by the
 * parameter's name, or, where its client asked for that leniency, the parameter is dropped and the client
 * told. Never silence: a parameter that was dropped would be missed only in the answer.
 */
export class Inexpressible {
  readonly #drop: boolean;
  readonly #paramOf: (field: string) => string;
  readonly #dropped = new Set<string>();

  /** `paramOf` gives the client's own name for a field of the canonical form. */
  constructor(options: { drop: boolean; paramOf?: (field: string) => string }) {
    this.#drop = options.drop;
    this.#paramOf = options.paramOf ?? ((field) => field);
  }

  /** A parameter by the client's own name. Throws `FloError` `invalid_request` unless it may be dropped. */
  param(name: string): void {
    const param = name.slice(0, PARAM_LENGTH_MAX);
    if (!this.#drop) throw new FloError('invalid_request', `${param}: ${ADVICE}`, { param });
    this.#note(param);
  }

  /**
   * A field of the canonical form that changes no answer, such as what to keep in a cache: it is left out
   * whether or not the client asked for leniency, and the client is told.
   */
  hint(name: string): void {
    this.#note(this.#paramOf(name).slice(0, PARAM_LENGTH_MAX));
  }

  /** A field of the canonical form (`topK`, `reasoning.budgetTokens`). Throws like `param`. */
  field(name: string): void {
    this.param(this.#paramOf(name));
  }

  #note(param: string): void {
    if (this.#dropped.size < DROPPED_MAX) this.#dropped.add(param);
  }

  /** The names of what was dropped so far, in the client's terms. */
  get dropped(): string[] {
    return [...this.#dropped];
  }
}

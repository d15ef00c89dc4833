/** Finds `FLO2_…` variables that flo2 does not read, which are likely a slip of the pen. */

export type UnknownVariables = {
  /** So near a known name that it must be meant: a sentence each. */
  faults: readonly string[];
  /** Like nothing flo2 knows: it may be somebody else's, such as what Kubernetes sets for a service. */
  warnings: readonly string[];
};

const NEAR_MAX = 2;

/** The number of characters to insert, delete or replace to make one text the other. */
export const editDistance = (one: string, other: string): number => {
  let above = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const replaced = (above[column - 1] ?? 0) + (one[row - 1] === other[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    above = current;
  }
  return above[other.length] ?? 0;
};

export const findUnknownVariables = (
  env: NodeJS.ProcessEnv,
  known: ReadonlySet<string>,
): UnknownVariables => {
  const faults: string[] = [];
  const warnings: string[] = [];
  for (const name of Object.keys(env).sort()) {
    if (!name.startsWith('FLO2_') || known.has(name)) continue;
    const near = [...known].find((candidate) => editDistance(name, candidate) <= NEAR_MAX);
    if (near === undefined) warnings.push(`${name} is not a variable of flo2 and is ignored.`);
    else faults.push(`${name} is not a variable of flo2; did you mean ${near}?`);
  }
  return { faults, warnings };
};

import { dispatchHeader, travellingHeader, type DispatchHeader } from '#contracts/dispatch';

type Fields = Readonly<Record<string, unknown>>;

const textsOf = (header: DispatchHeader): Map<string, string> =>
  new Map(
    Object.entries(header).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, JSON.stringify(value)]],
    ),
  );

/** What is told of a header beside the first one; null where it lacks a field that the first one has. */
const differenceOf = (first: ReadonlyMap<string, string>, header: DispatchHeader): Fields | null => {
  const texts = textsOf(header);
  for (const name of first.keys()) if (!texts.has(name)) return null;
  return Object.fromEntries(
    Object.entries(header).filter(([name]) => first.get(name) !== texts.get(name) && texts.has(name)),
  );
};

/**
 * The headers of as few messages as may be, of `size` dispatches at most each, and what each of them names. The
 * dispatches are of one subject and carry no bodies.
 */
export const packDispatches = (
  headers: readonly DispatchHeader[],
  size: number,
): { first: DispatchHeader; header: Fields; count: number }[] => {
  const packs: { first: DispatchHeader; texts: Map<string, string>; others: Fields[] }[] = [];
  for (const header of headers) {
    const open = packs.at(-1);
    const difference =
      open === undefined || open.others.length + 1 >= size ? null : differenceOf(open.texts, header);
    if (open === undefined || difference === null) {
      packs.push({ first: header, texts: textsOf(header), others: [] });
    } else open.others.push(difference);
  }
  return packs.map(({ first, others }) => ({
    first,
    header: others.length === 0 ? first : { ...first, others },
    count: others.length + 1,
  }));
};

/** The dispatches of a message, in the order in which they were packed. Throws what zod throws. */
export const unpackDispatches = (header: unknown): DispatchHeader[] => {
  // Most travel alone.
  if (!(typeof header === 'object' && header !== null && 'others' in header)) {
    return [dispatchHeader.parse(header)];
  }
  const { others, ...first } = travellingHeader.parse(header);
  return [
    dispatchHeader.parse(first),
    ...others.map((other) => dispatchHeader.parse({ ...first, ...other })),
  ];
};

import type { Outbox } from './outbox.ts';

/**
 * Gathers what is for the same receiver within one turn of the event loop, and hands it on in groups, `togetherMax`
 * to each at most, in the order in which it came.
 */
export const gather = <Item>(
  outbox: Outbox,
  togetherMax: number,
  handOn: (receiver: string, items: Item[]) => void,
): ((receiver: string, item: Item) => void) => {
  const waiting = new Map<string, Item[]>();
  const flush = (): void => {
    const groups = [...waiting];
    waiting.clear();
    for (const [receiver, items] of groups) {
      for (let start = 0; start < items.length; start += togetherMax) {
        handOn(receiver, items.length <= togetherMax ? items : items.slice(start, start + togetherMax));
      }
    }
  };
  return (receiver, item) => {
    const known = waiting.get(receiver);
    if (known !== undefined) {
      known.push(item);
      return;
    }
    if (waiting.size === 0) outbox.atEnd(flush);
    waiting.set(receiver, [item]);
  };
};

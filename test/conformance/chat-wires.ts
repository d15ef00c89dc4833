/** Every wire for chat, and every pair of two dialects, for the conformance tests. */
import { PROVIDER_IDS } from '#contracts/vocabulary';
import { surfaceOf } from '#surfaces/registry';
import type { ChatSurface } from '#surfaces/surface';
import type { ChatWire } from '#providers/provider';
import { providerOf } from '#providers/registry';

export const CHAT_WIRES: readonly { name: string; wire: ChatWire }[] = PROVIDER_IDS.flatMap((id) =>
  providerOf(id)
    .wires.filter((wire) => wire.operation === 'chat')
    .map((wire) => ({ name: `${id} (${wire.surface})`, wire })),
);

/** One wire for each dialect, the one whose server made it: others of that dialect write some fields otherwise. */
export const OWN_WIRES = CHAT_WIRES.filter(
  ({ wire }, index) => CHAT_WIRES.findIndex((other) => other.wire.surface === wire.surface) === index,
);

export const CHAT_PAIRS = OWN_WIRES.flatMap(({ name: own, wire: clientDialect }) =>
  OWN_WIRES.filter(({ wire }) => wire.surface !== clientDialect.surface).map(
    ({ name: other, wire: target }) => ({ own, other, clientDialect, target }),
  ),
);

export const chatSurfaceOf = ({ surface: id }: ChatWire): ChatSurface => {
  const surface = surfaceOf(id);
  if (surface.operation !== 'chat') throw new TypeError(`${id} is no surface for chat`);
  return surface;
};

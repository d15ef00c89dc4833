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

export const CHAT_PAIRS = CHAT_WIRES.flatMap(({ name: own, wire: clientDialect }) =>
  CHAT_WIRES.filter(({ wire }) => wire.surface !== clientDialect.surface).map(
    ({ name: other, wire: target }) => ({ own, other, clientDialect, target }),
  ),
);

export const chatSurfaceOf = ({ surface: id }: ChatWire): ChatSurface => {
  const surface = surfaceOf(id);
  if (surface.operation !== 'chat') throw new TypeError(`${id} is no surface for chat`);
  return surface;
};

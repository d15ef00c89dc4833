import type { DispatchHeader } from '#contracts/dispatch';
import type { Reservation } from '#contracts/reservation';

/** The dispatch of a later step; `attempts` were made so far, of which `uncalled` of this round called nobody. */
export const handedOn = (
  header: DispatchHeader,
  { reservation, attempts, uncalled }: { reservation: Reservation; attempts: number; uncalled: number },
): DispatchHeader => ({
  ...header,
  step: reservation.step,
  reservation,
  firstAttempt: attempts + 1,
  ...(uncalled > 0 && { uncalled }),
});

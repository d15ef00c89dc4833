/** Alerts that a use has reached and that were not given yet, as percent of the limit, ascending. */
export const alertsReached = (
  alerts: readonly number[],
  {
    usedPicoUsd,
    limitPicoUsd,
    alertedPercent,
  }: { usedPicoUsd: bigint; limitPicoUsd: bigint; alertedPercent: number },
): number[] =>
  alerts.filter(
    (percent) => percent > alertedPercent && usedPicoUsd * 100n >= limitPicoUsd * BigInt(percent),
  );

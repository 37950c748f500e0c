import { until as wait } from "../../testing/until.ts";

/** `until` with the patience of a machine that has much else to do; what comes true ends it at once. */
export function until<T>(condition: () => T | Promise<T>, timeoutMs = 60_000): ReturnType<typeof wait<T>> {
  return wait(condition, timeoutMs);
}

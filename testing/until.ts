import { AssertionError } from "node:assert";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Waits until `condition` holds, asking again every few milliseconds, and gives what it returned.
 * Fails after `timeoutMs` with the condition's own text, so that a test says what never came true.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  timeoutMs = 20_000,
): Promise<Exclude<T, false | null | undefined | 0 | "">> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, false | null | undefined | 0 | "">;
    if (performance.now() > end) {
      throw new AssertionError({ message: `not true within ${timeoutMs} ms: ${condition.toString()}` });
    }
    await delay(5);
  }
}

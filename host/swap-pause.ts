import { fail } from "../lattice/index.ts";
import type { ProviderSpec } from "./engine-messages.ts";
import type { Fleet } from "./fleet.ts";
import { type CopyEnd, endHere, keysUnasked, StateCopy } from "./swap-copy.ts";
import type { SwapStory } from "./swap-story.ts";

/** Longest time that a copy may hold calls back when nobody was asked, in milliseconds. */
const unaskedPauseMs = 5_000;

export interface Pause {
  /** Keys that were copied meanwhile. */
  readonly copied: number;
  /** Since when calls wait, of `performance.now()`. */
  readonly since: number;
}

/**
 * Copies what a provider holds while calls to it wait. They go on waiting when this resolves: with
 * the switch they go to the new one, and whoever gives up releases them.
 * @throws LatticeError SWAP_PAUSE when it would take long and nobody accepted that; SWAP_REFUSED when
 * calls under way do not end, or the state cannot be copied.
 */
export async function copyWhileCallsWait(
  fleet: Fleet,
  from: ProviderSpec,
  to: CopyEnd,
  acceptPause: boolean,
  story: SwapStory,
): Promise<Pause> {
  const copy = await StateCopy.plan(endHere(fleet, from), to);
  const keys = await copy.count();
  const estimate = await copy.estimate(keys);
  const asked = keys > keysUnasked || estimate > unaskedPauseMs;
  if (asked && !acceptPause) throw fail("SWAP_PAUSE", keys, Math.max(1, Math.ceil(estimate / 1_000)));
  const long = asked ? `, about ${Math.ceil(estimate / 1_000)} s` : "";
  story.step("copying", `calls wait while ${keys} keys are copied${long}`);
  const longest = asked ? Math.max(unaskedPauseMs, estimate * 4) : unaskedPauseMs;
  const since = performance.now();
  await fleet.apply({ type: "hold-provider", id: from.id });
  const idle = await fleet.ask<"idle">({ type: "idle", id: from.id, withinMs: longest });
  const left = idle.reduce((sum, each) => sum + each.left, 0);
  if (left > 0) throw fail("SWAP_REFUSED", from.name, to.name, `${left} calls did not end within ${longest} ms`);
  const copied = await copy.run(longest);
  story.step("copied", `${copied} keys are in ${to.name}`);
  return { copied, since };
}

import { counted, fail, isLatticeError } from "../lattice/index.ts";
import type { ProviderSpec } from "./engine-messages.ts";
import type { HostParts } from "./parts.ts";
import { type CopyEnd, endHere, keysUnasked, StateCopy } from "./swap-copy.ts";
import type { SwapStory } from "./swap-story.ts";

/** Longest time that a copy may hold calls back when nobody was asked, in milliseconds. */
const unaskedPauseMs = 5_000;
/** Where it was accepted, at least. */
const acceptedPauseMs = 20_000;
/** Part of the time that callers on other hosts wait at all: the rest is for the call itself. */
const shareOfWait = 0.75;

export interface Pause {
  /** Keys that were copied meanwhile. */
  readonly copied: number;
  /** Since when calls wait, of `performance.now()`. */
  readonly since: number;
}

/**
 * Copies what a provider holds while calls to it wait. They go on waiting when this resolves: with
 * the switch they go to the new one, and whoever gives up releases them. Up to `keysUnasked` keys are
 * copied without asking; unasked, calls wait 5 s at most, and less where actors of other hosts call.
 * @throws LatticeError SWAP_PAUSE when it would take or takes long and nobody accepted that;
 * SWAP_REFUSED when calls under way do not end, or the state cannot be copied.
 */
export async function copyWhileCallsWait(
  { fleet, config }: HostParts,
  from: ProviderSpec,
  to: CopyEnd,
  acceptPause: boolean,
  story: SwapStory,
): Promise<Pause> {
  const copy = await StateCopy.plan(endHere(fleet, from), to);
  const keys = await copy.count();
  const asked = acceptPause || keys > keysUnasked;
  const estimate = keys > keysUnasked ? await copy.estimate(keys) : 0;
  const pause = (ms: number) => fail("SWAP_PAUSE", keys, Math.max(1, Math.ceil(ms / 1_000)));
  if (asked && !acceptPause) throw pause(estimate);
  const { rpcTimeoutMs } = config.limits;
  const elsewhere = hasCallersElsewhere(fleet, from.id);
  const long = keys > keysUnasked ? `, about ${Math.ceil(estimate / 1_000)} s` : "";
  const bound = elsewhere && asked ? `; those of other hosts give up after ${rpcTimeoutMs} ms` : "";
  story.step("copying", `calls wait while ${counted(keys, "key")} ${keys === 1 ? "is" : "are"} copied${long}${bound}`);
  const unasked = elsewhere ? Math.min(unaskedPauseMs, rpcTimeoutMs * shareOfWait) : unaskedPauseMs;
  const longest = asked ? Math.max(acceptedPauseMs, estimate * 4) : unasked;
  const since = performance.now();
  await fleet.apply({ type: "hold-provider", id: from.id });
  const idle = await fleet.ask<"idle">({ type: "idle", id: from.id, withinMs: longest });
  const left = idle.reduce((sum, each) => sum + each.left, 0);
  if (left > 0) throw fail("SWAP_REFUSED", from.name, to.name, `${left} calls did not end within ${longest} ms`);
  const waited = () => performance.now() - since;
  try {
    const copied = await copy.run(Math.max(0, longest - waited()));
    story.step("copied", `${counted(copied, "key")} ${copied === 1 ? "is" : "are"} in ${to.name}`);
    return { copied, since };
  } catch (error) {
    if (asked || !isLatticeError(error) || error.code !== "DEADLINE_EXCEEDED") throw error;
    // By what was copied until now.
    throw pause(copy.copied > 0 ? (waited() * keys) / copy.copied : waited() * 2);
  }
}

/** Whether actors of other hosts call it: they wait for an answer as long as calls between hosts may take. */
function hasCallersElsewhere(fleet: HostParts["fleet"], id: string): boolean {
  const { peers } = fleet.caller.tables;
  return fleet.linksOf(id).some(({ actor }) => peers.actorsOf(actor).length > 0);
}

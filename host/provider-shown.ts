import { findBuiltin } from "../capabilities/index.ts";
import { ThreadProvider } from "./children/thread-provider.ts";
import { type EngineStats, type ProviderSpec, slotOf } from "./engine-messages.ts";
import type { Host } from "./host.ts";
import type { SwapRecord } from "./swap-record.ts";

/** How a provider does, over all engines that run it. */
export interface ProviderState {
  readonly state: "running" | "draining" | "down" | "on trial" | "unknown";
  readonly healthy: boolean;
  /** Why it is not well. */
  readonly message: string;
  readonly restarts: number;
  readonly faults: number;
}

export function providerState(host: Host, engines: readonly EngineStats[], id: string): ProviderState {
  const own = engines.flatMap(({ providers }) => providers.filter((each) => each.id === id));
  const down = own.find(({ state }) => state === "down");
  const unwell = down ?? own.find(({ healthy }) => !healthy);
  const [swap] = swapsOf(host, id);
  const state = down
    ? "down"
    : own.some((each) => each.state === "draining")
      ? "draining"
      : swap?.state === "trial"
        ? "on trial"
        : own.length === 0
          ? "unknown"
          : "running";
  return {
    state,
    healthy: own.length > 0 && !unwell,
    message: unwell?.message ?? "",
    restarts: own.reduce((sum, { restarts }) => sum + restarts, 0),
    faults: own.reduce((sum, { faults }) => sum + faults, 0),
  };
}

/** Where a provider's code runs: in the host, in a thread of its own there, or in a process of its own. */
export type ProviderProcess = "host" | "thread" | "child";

export function processOf({ fleet }: Host, { id, source }: ProviderSpec): ProviderProcess {
  if (source.kind === "builtin") return findBuiltin(source.reference)?.inChild ? "child" : "host";
  const object = fleet.objects.get(id);
  if (object instanceof ThreadProvider) return "thread";
  return object !== undefined && "pid" in object ? "child" : "host";
}

/** Swaps of a provider that are remembered, the last one first. */
export function swapsOf(host: Host, id: string): readonly SwapRecord[] {
  return host.swaps.records.filter(({ slot }) => slot === slotOf(id)).toReversed();
}

export function swapJson({ id, startedAt, from, to, state, reason, steps }: SwapRecord) {
  return {
    id,
    started_at: startedAt,
    from,
    to,
    state,
    ...(reason === "" ? {} : { reason }),
    steps: steps.map(({ step, text, atMs }) => `${atMs} ms ${step}: ${text}`),
  };
}

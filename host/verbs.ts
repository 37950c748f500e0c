import { actorVerbs } from "./actor-verbs.ts";
import type { Host } from "./host.ts";
import { optional, wholeNumber } from "./parameters.ts";
import { providerVerbs } from "./provider-verbs.ts";
import { readingVerbs } from "./reading-verbs.ts";
import { type Verbs, verb } from "./verb-table.ts";

/** Everything that can be asked of a host, from the control socket or the lattice: one table, one host. */
export function verbsOf(host: Host, onStop: () => void = () => {}): Verbs {
  return {
    ...readingVerbs(host),
    ...actorVerbs(host),
    ...providerVerbs(host),
    drain: verb({
      name: "drain",
      summary: "Finishes what is in flight and takes no new work.",
      params: { timeoutMs: optional(wholeNumber(0, 3_600_000)) },
      run: async ({ timeoutMs }) => {
        await host.drain(timeoutMs);
        return { host: { id: host.id, state: host.state } };
      },
    }),
    "stop.host": verb({
      name: "stop.host",
      summary: "Drains this host and ends it.",
      params: {},
      run: async () => {
        // After the answer is on its way.
        setImmediate(onStop);
        return { host: { id: host.id } };
      },
    }),
  };
}

import { actorVerbs } from "./actor-verbs.ts";
import { configurationVerbs } from "./configuration-verbs.ts";
import type { Host } from "./host.ts";
import { moveVerbs } from "./moves/move-verbs.ts";
import { withNearestNames } from "./nearest-thing.ts";
import { optional, text, wholeNumber } from "./parameters.ts";
import { providerVerbs } from "./provider-verbs.ts";
import { readingVerbs } from "./reading-verbs.ts";
import { type Verbs, verb } from "./verb-table.ts";

/** Everything that can be asked of a host, from the control socket or the lattice: one table, one host. */
export function verbsOf(host: Host, onStop: (drainMs?: number) => void = () => {}): Verbs {
  return withNearestNames(host, {
    ...readingVerbs(host),
    ...actorVerbs(host),
    ...providerVerbs(host),
    ...configurationVerbs(host),
    ...moveVerbs(host),
    "label.put": verb({
      name: "label.put",
      summary: "Sets a label of this host.",
      params: { key: text({ max: 253 }), value: text({ min: 0, max: 1_024 }) },
      run: async ({ key, value }) => {
        host.labels.put(key, value);
        return { labels: host.labels.all };
      },
    }),
    "label.del": verb({
      name: "label.del",
      summary: "Takes a label of this host back.",
      params: { key: text({ max: 253 }) },
      run: async ({ key }) => {
        host.labels.delete(key);
        return { labels: host.labels.all };
      },
    }),
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
      summary: "Drains this host, within the time given, and ends it.",
      params: { timeoutMs: optional(wholeNumber(0, 3_600_000)) },
      run: async ({ timeoutMs }) => {
        // After the answer is on its way.
        setImmediate(() => onStop(timeoutMs));
        return { host: { id: host.id } };
      },
    }),
  });
}

import { fail, isLatticeError, isPublicKey } from "../lattice/index.ts";
import { carries } from "./annotations.ts";
import { explain } from "./explain.ts";
import { HostMetrics } from "./host-metrics.ts";
import type { Host } from "./host.ts";
import { linkedKey } from "./link-ends.ts";
import { hostRecord, inventory, snapshot } from "./inventory.ts";
import { metricsText } from "./metrics-text.ts";
import { flag, optional, text, textMap, wholeNumber } from "./parameters.ts";
import { swapJson, swapsOf } from "./provider-shown.ts";
import { claimsJson, linkJson } from "./shown-rows.ts";
import { target, type Verbs, verb } from "./verb-table.ts";
import { version } from "./version.ts";
import { type ProviderRecord, publicClaims } from "./wanted.ts";

const annotations = optional(textMap());

/** What can be asked without changing anything. */
export function readingVerbs(host: Host): Verbs {
  const metrics = new HostMetrics(host.config.limits.metricPlacements);
  return {
    version: verb({
      name: "version",
      summary: "The version of this host.",
      reads: true,
      params: {},
      run: async () => ({ version, node: process.version }),
    }),
    health: verb({
      name: "health",
      summary: "Whether this host is ready, check by check.",
      reads: true,
      params: {},
      run: async () => {
        const { checks } = await snapshot(host);
        return { ready: checks.every(({ ok }) => ok), checks };
      },
    }),
    metrics: verb({
      name: "metrics",
      summary: "Figures as Prometheus text.",
      reads: true,
      params: {},
      run: async () => ({ text: metricsText(metrics.families(await snapshot(host))) }),
    }),
    "get.hosts": verb({
      name: "get.hosts",
      summary: "This host's record.",
      reads: true,
      params: {},
      run: async () => ({ hosts: [hostRecord(host)] }),
    }),
    "get.inventory": verb({
      name: "get.inventory",
      summary: "What runs here.",
      reads: true,
      params: {},
      run: async () => ({ inventories: [await inventory(host)] }),
    }),
    "get.actors": verb({
      name: "get.actors",
      summary: "Actors that run here, of one tag or with these annotations if asked.",
      reads: true,
      params: { tag: optional(text()), annotations },
      run: async ({ tag, annotations: wanted = {} }) => {
        const { actors } = await inventory(host);
        const tagged = tag === undefined ? actors : actors.filter(({ tags }) => tags.includes(tag));
        return {
          actors: tagged.filter(({ instances }) => instances.some((each) => carries(each.annotations, wanted))),
        };
      },
    }),
    "get.providers": verb({
      name: "get.providers",
      summary: "Providers that run here, with these annotations if asked.",
      reads: true,
      params: { annotations },
      run: async ({ annotations: wanted = {} }) => ({
        providers: (await inventory(host)).providers.filter((each) => carries(each.annotations, wanted)),
      }),
    }),
    "get.links": verb({
      name: "get.links",
      summary: "Links.",
      reads: true,
      params: {},
      run: async () => ({ links: [...host.wanted.links.values()].map(linkJson) }),
    }),
    "link.query": verb({
      name: "link.query",
      summary: "Links.",
      reads: true,
      params: {},
      run: async () => ({ links: [...host.wanted.links.values()].map(linkJson) }),
    }),
    "get.claims": verb({
      name: "get.claims",
      summary: "What the signatures of the running actors say, then what others have told the lattice of theirs.",
      reads: true,
      params: {},
      run: async () => ({
        claims: [
          ...[...host.wanted.placements.values()].map(({ spec }) => claimsJson(publicClaims(spec.module.claims))),
          ...(host.member?.claims.others() ?? []),
        ],
      }),
    }),
    "get.events": verb({
      name: "get.events",
      summary: "What happened here lately; with follow, what happens.",
      reads: true,
      params: { follow: optional(flag()) },
      run: async ({ follow }, { signal }) =>
        follow ? host.events.watch({ signal }) : { events: host.events.recent() },
    }),
    "get.jobs": verb({
      name: "get.jobs",
      summary: "Work that was asked for with an answer at once, the latest last; what came of it is left out.",
      reads: true,
      params: {},
      run: async () => ({ jobs: host.jobs.all.map(({ result: _result, ...job }) => job) }),
    }),
    job: verb({
      name: "job",
      summary: "What became of work that was asked for with an answer at once; with follow, until it ends.",
      reads: true,
      params: { id: text({ max: 64 }), follow: optional(flag()) },
      run: async ({ id, follow }, { signal }) => (follow ? host.jobs.follow(id, signal) : { job: host.jobs.get(id) }),
    }),
    describe: verb({
      name: "describe",
      summary: "All that is known of an actor, a provider or this host.",
      reads: true,
      params: { target },
      run: ({ target: name }) => describeTarget(host, name),
    }),
    spy: verb({
      name: "spy",
      summary: "Calls of and to an actor as they settle; the first 1 KiB of what they carry with payload.",
      reads: true,
      params: { target, payload: optional(flag()) },
      run: async ({ target: name, payload = false }, { signal, from }) => {
        if (payload && from === "lattice" && host.config.membership.ctl !== "full")
          throw fail("CONTROL_REFUSED", host.name, "spy with payloads");
        return host.spies.watch({ actor: spiedKey(host, name), payload }, signal);
      },
    }),
    explain: verb({
      name: "explain",
      summary: "The path that a call would take, step by step.",
      reads: true,
      params: { target, operation: optional(text()) },
      run: async ({ target: name, operation }) => ({ ...(await explain(host, name, operation)) }),
    }),
    logs: verb({
      name: "logs",
      summary: "What an actor wrote; kept for a while after it stopped.",
      reads: true,
      params: {
        target,
        follow: optional(flag()),
        tail: optional(wholeNumber(0, 1_000_000)),
        since: optional(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
      },
      run: async ({ target: name, follow, tail, since }, { signal }) => {
        const placements = placementsWithLogs(host, name);
        const query = { ...(tail === undefined ? {} : { tail }), ...(since === undefined ? {} : { since }), signal };
        return host.logs.read(placements, {
          ...query,
          follow: follow ?? false,
          later: laterOf(host, name, placements),
        });
      },
    }),
  };
}

/** Any key may be watched: its calls may come here before it does. */
function spiedKey(host: Host, name: string): string {
  return isPublicKey(name, "module") ? name : linkedKey(host, name);
}

/** Placements of the same actors that come later; of one that was named by its id there are none. */
function laterOf(host: Host, name: string, placements: readonly string[]): () => readonly string[] {
  if (placements.includes(name)) return () => [];
  const all = () => [...host.wanted.placements.values()].map(({ spec }) => spec);
  const keys = new Set(all().flatMap(({ id, module }) => (placements.includes(id) ? [module.key] : [])));
  return () => all().flatMap(({ id, module }) => (keys.has(module.key) ? [id] : []));
}

/** Also of placements that have stopped, by id or by the actor's name. */
function placementsWithLogs(host: Host, name: string): readonly string[] {
  const stopped = host.logs
    .placements()
    .filter(({ id, actor }) => id === name || actor === name)
    .map(({ id }) => id);
  try {
    return [...new Set([...host.wanted.findPlacements(name).map(({ spec }) => spec.id), ...stopped])];
  } catch (error) {
    if (stopped.length > 0) return stopped;
    throw error;
  }
}

async function describeTarget(host: Host, name: string): Promise<object> {
  const all = await inventory(host);
  if (name === host.id || name === host.name || name === "host") {
    return {
      kind: "host",
      host: hostRecord(host),
      lattice: host.member?.report,
      limits: host.config.limits,
      inventory: all,
    };
  }
  const provider = providerCalled(host, name);
  if (provider) {
    const links = [...host.wanted.links.values()]
      .filter(({ spec }) => spec.providerId === provider.spec.id)
      .map(linkJson);
    return {
      kind: "provider",
      provider: all.providers.find(({ instance_id }) => instance_id === provider.spec.id),
      links,
      swaps: swapsOf(host, provider.spec.id).map(swapJson),
    };
  }
  const { key } = host.wanted.findActor(name).spec.module;
  const [record] = host.wanted.findPlacements(key);
  const links = [...host.wanted.links.values()].filter(({ spec }) => spec.actor === key).map(linkJson);
  return {
    kind: "actor",
    actor: all.actors.find(({ id }) => id === key),
    claims: claimsJson(publicClaims(record.spec.module.claims)),
    limits: record.spec.limits,
    links,
  };
}

/** A provider by any of its names, unless an actor is called so. */
function providerCalled({ wanted }: Host, name: string): ProviderRecord | undefined {
  const exact =
    wanted.provider(name) ??
    [...wanted.providers.values()].find(({ spec }) => [spec.key, spec.name, spec.contractId, spec.id].includes(name));
  if (exact) return exact;
  const actor = found("ACTOR_ABSENT", () => wanted.findActor(name));
  return actor ? undefined : found("PROVIDER_ABSENT", () => wanted.findProvider(name));
}

function found<T>(absent: string, find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (isLatticeError(error) && error.code === absent) return undefined;
    throw error;
  }
}

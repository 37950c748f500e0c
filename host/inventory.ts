import type { EngineStats } from "./engine-messages.ts";
import type { Host } from "./host.ts";
import type { HostSnapshot, PlacementFigures } from "./host-snapshot.ts";
import type { RemoteFigures } from "./remote/figures.ts";
import { processOf, type ProviderProcess, providerState, type ProviderState } from "./provider-shown.ts";
import type { PlacementRecord } from "./wanted.ts";
import { version } from "./version.ts";

/** What a host runs now. Keys as clients of the 0.x control interface know them; ours beside them. */
export interface Inventory {
  readonly host_id: string;
  readonly friendly_name: string;
  readonly issuer: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly version: string;
  readonly uptime_human: string;
  readonly uptime_seconds: number;
  readonly state: string;
  readonly actors: readonly ActorRow[];
  readonly providers: readonly ProviderRow[];
}

export interface ActorRow {
  readonly id: string;
  readonly name: string;
  readonly image_ref: string;
  readonly era: string;
  readonly call_alias: string;
  readonly capabilities: readonly string[];
  readonly tags: readonly string[];
  readonly urls: readonly string[];
  readonly instances: readonly InstanceRow[];
}

/** One placement; `running` counts live guests over all engines. */
export interface InstanceRow {
  readonly instance_id: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly image_ref: string;
  readonly revision: number;
  readonly max_instances: number;
  /** `max_instances` under the name that clients up to 0.81 read. */
  readonly max_concurrent: number;
  readonly running: number;
  readonly busy: number;
  readonly waiting: number;
  readonly calls: number;
  readonly errors: number;
  readonly cpu_ms: number;
  readonly memory_bytes: number;
  readonly healthy: boolean;
  /** Why it is not well, as it says, or empty. */
  readonly message: string;
}

export interface ProviderRow {
  readonly id: string;
  readonly name: string;
  readonly contract_id: string;
  readonly link_name: string;
  readonly image_ref: string;
  readonly instance_id: string;
  readonly process: ProviderProcess;
  readonly revision: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly links: number;
  readonly state: ProviderState["state"];
  readonly healthy: boolean;
  /** Why it is not well, or empty. */
  readonly message: string;
  readonly restarts: number;
  /** Calls that it did not answer as a provider must. */
  readonly faults: number;
}

/**
 * A host record as the answer to a ping of hosts.
 * Source: captures of a 0.82 host, section 2.
 */
export function hostRecord(host: Host) {
  const { uptime_seconds, uptime_human } = uptime(host);
  return {
    id: host.id,
    friendly_name: host.name,
    lattice: host.config.lattice,
    labels: host.labels.all,
    version,
    uptime_seconds,
    uptime_human,
    state: host.state,
    engines: host.config.engines,
    pid: process.pid,
  };
}

export async function inventory(host: Host): Promise<Inventory> {
  const stats = await host.fleet.stats();
  const figures = sumPlacements(stats);
  const problems = new Map(
    stats.flatMap(({ placements }) =>
      placements.flatMap(({ id, problem }) => (problem ? [[id, problem] as const] : [])),
    ),
  );
  const byKey = new Map<string, PlacementRecord[]>();
  for (const record of host.wanted.placements.values()) {
    const { key } = record.spec.module;
    byKey.set(key, [...(byKey.get(key) ?? []), record]);
  }
  return {
    host_id: host.id,
    friendly_name: host.name,
    issuer: host.cluster,
    labels: host.labels.all,
    version,
    ...uptime(host),
    state: host.state,
    actors: [...byKey].map(([key, records]) => actorRow(host, key, records, figures, problems)),
    providers: [...host.wanted.providers.values()].map(({ spec, annotations, reference }) => ({
      id: spec.key,
      name: spec.name,
      contract_id: spec.contractId,
      link_name: spec.linkName,
      image_ref: reference,
      instance_id: spec.id,
      process: processOf(host, spec),
      revision: spec.claims?.revision ?? 0,
      annotations,
      links: [...host.wanted.links.values()].filter((link) => link.spec.providerId === spec.id).length,
      ...providerState(host, stats, spec.id),
    })),
  };
}

function actorRow(
  host: Host,
  key: string,
  records: readonly PlacementRecord[],
  figures: ReadonlyMap<string, Sums>,
  problems: ReadonlyMap<string, string>,
): ActorRow {
  const [first] = records;
  const { claims, era } = first!.spec.module;
  return {
    id: key,
    name: claims.name,
    image_ref: first!.reference,
    era,
    call_alias: claims.callAlias ?? "",
    capabilities: claims.capabilities,
    tags: claims.tags,
    urls: [...new Set(records.flatMap((record) => host.wanted.urlsOf(record)))],
    instances: records.map(({ spec, annotations, reference }) => {
      const own = figures.get(spec.id) ?? noSums;
      return {
        instance_id: spec.id,
        annotations,
        image_ref: reference,
        revision: spec.module.claims.revision ?? 0,
        max_instances: spec.limits.instances,
        max_concurrent: spec.limits.instances,
        running: own.instances,
        busy: own.busy,
        waiting: own.waiting,
        calls: own.calls,
        errors: own.errors,
        cpu_ms: Math.round(own.cpuMs * 1_000) / 1_000,
        memory_bytes: own.memoryBytes,
        healthy: !problems.has(spec.id),
        message: problems.get(spec.id) ?? "",
      };
    }),
  };
}

type Sums = Omit<EngineStats["placements"][number], "id" | "problem">;
const noSums: Sums = {
  instances: 0,
  busy: 0,
  waiting: 0,
  calls: 0,
  errors: 0,
  traps: 0,
  cpuMs: 0,
  queueMs: 0,
  memoryBytes: 0,
};

/** Figures of each placement over all engines. */
export function sumPlacements(engines: readonly EngineStats[]): Map<string, Sums> {
  const sums = new Map<string, Sums>();
  for (const { placements } of engines) {
    for (const { id, problem: _problem, ...own } of placements) {
      const so = sums.get(id) ?? noSums;
      sums.set(id, {
        instances: so.instances + own.instances,
        busy: so.busy + own.busy,
        waiting: so.waiting + own.waiting,
        calls: so.calls + own.calls,
        errors: so.errors + own.errors,
        traps: so.traps + own.traps,
        cpuMs: so.cpuMs + own.cpuMs,
        queueMs: so.queueMs + own.queueMs,
        memoryBytes: so.memoryBytes + own.memoryBytes,
      });
    }
  }
  return sums;
}

function sumRecords(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const record of records)
    for (const [name, count] of Object.entries(record)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

/** The one input of metrics and readiness. */
export async function snapshot(host: Host): Promise<HostSnapshot> {
  const engines = await host.fleet.stats();
  const figures = sumPlacements(engines);
  const linkFigures = new Map<string, { calls: number; errors: number }>();
  const errors = sumRecords(engines.map((engine) => engine.errors));
  for (const engine of engines) {
    for (const { id, calls, errors: failed } of engine.links) {
      const so = linkFigures.get(id) ?? { calls: 0, errors: 0 };
      linkFigures.set(id, { calls: so.calls + calls, errors: so.errors + failed });
    }
  }
  const expected = host.fleet.actorPlaces;
  const missing = expected.filter((place) => !engines.some((engine) => engine.place === place));
  return {
    host: {
      id: host.id,
      name: host.name,
      version,
      lattice: host.config.lattice,
      uptimeSeconds: (Date.now() - host.startedAt) / 1_000,
      links: host.wanted.links.size,
      unclaimed: engines.reduce((sum, { unclaimed }) => sum + unclaimed, 0),
      http: {
        connections: engines.reduce((sum, { connections }) => sum + connections, 0),
        requests: sumRecords(engines.map(({ requests }) => requests)),
      },
    },
    placements: [...host.wanted.placements.values()].map(({ spec: { id, module } }): PlacementFigures => ({
      id,
      key: module.key,
      actor: module.claims.name,
      ...(figures.get(id) ?? noSums),
    })),
    providers: [...host.wanted.providers.values()].map(({ spec }) => {
      const own = [...host.wanted.links.values()].filter((link) => link.spec.providerId === spec.id);
      const { healthy, faults } = providerState(host, engines, spec.id);
      return {
        id: spec.id,
        key: spec.key,
        name: spec.name,
        contractId: spec.contractId,
        linkName: spec.linkName,
        healthy,
        faults,
        calls: own.reduce((sum, link) => sum + (linkFigures.get(link.spec.id)?.calls ?? 0), 0),
        errors: own.reduce((sum, link) => sum + (linkFigures.get(link.spec.id)?.errors ?? 0), 0),
      };
    }),
    engines: expected.map((place) => {
      const engine = engines.find((each) => each.place === place);
      return {
        index: Math.max(place, 0),
        alive: engine !== undefined,
        restarts: host.fleet.restarts.get(place) ?? 0,
        instances: engine?.instances ?? 0,
        connections: engine?.connections ?? 0,
        ...(engine && place >= 0 ? { memory: engine.memory } : {}),
      };
    }),
    links: [...host.wanted.links.values()].map(({ spec: { id, actor, contractId, linkName } }) => ({
      id,
      actor: host.fleet.caller.tables.known(actor)?.name ?? actor,
      contractId,
      linkName,
      ...(linkFigures.get(id) ?? { calls: 0, errors: 0 }),
    })),
    ...sumRemote(engines, host.member?.refused ?? {}),
    errors,
    checks: [
      {
        name: "engines",
        ok: missing.length === 0,
        ...(missing.length > 0 ? { message: `engine ${missing.join(", ")} is being restored` } : {}),
      },
      {
        name: "accepting",
        ok: host.state === "running",
        ...(host.state === "running" ? {} : { message: `the host is ${host.state}` }),
      },
      ...(host.member?.checks ?? []),
    ],
  };
}

function sumRemote(
  engines: readonly EngineStats[],
  otherRefused: Readonly<Record<string, number>>,
): { remote?: RemoteFigures } {
  const figures = engines.flatMap(({ remote }) => remote ?? []);
  if (figures.length === 0) return {};
  const sum = <K extends keyof RemoteFigures>(of: K) =>
    sumRecords(figures.map((each): Record<string, number> => ({ ...each[of] }))) as RemoteFigures[K];
  const refused = sumRecords([sum("refused"), otherRefused]);
  return { remote: { sent: sum("sent"), failed: sum("failed"), ms: sum("ms"), served: sum("served"), refused } };
}

function uptime(host: Host): { uptime_seconds: number; uptime_human: string } {
  const seconds = Math.floor((Date.now() - host.startedAt) / 1_000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const shown = parts
    .filter(([amount, unit]) => amount > 0 || unit === "s")
    .map(([amount, unit]) => `${amount}${unit}`);
  return { uptime_seconds: seconds, uptime_human: shown.join(" ") };
}

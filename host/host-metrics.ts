import { cpuUsage, memoryUsage } from "node:process";
import type { ThreadMemory } from "./engine-messages.ts";
import type { HostSnapshot, PlacementFigures } from "./host-snapshot.ts";
import type { Family, Labels, MetricType, Sample } from "./metrics.ts";

/** Every metric of a host: its type, labels and meaning. Names are relied upon by dashboards. */
export const metricTable = {
  lattice_host_info: {
    type: "gauge",
    labels: ["host_id", "host", "version", "lattice"],
    help: "Always 1; tells which host this is.",
  },
  lattice_uptime_seconds: { type: "gauge", labels: [], help: "Time since the host started." },
  lattice_ready: { type: "gauge", labels: ["check"], help: "1 when the check of /readyz passes." },
  lattice_links: { type: "gauge", labels: [], help: "Links that the host holds." },
  lattice_calls_total: {
    type: "counter",
    labels: ["actor", "placement", "outcome"],
    help: "Calls into actors by outcome: ok, error or trap.",
  },
  lattice_call_errors_total: { type: "counter", labels: ["code"], help: "Failed calls by error code." },
  lattice_cpu_seconds_total: { type: "counter", labels: ["actor", "placement"], help: "CPU time of guests." },
  lattice_queue_seconds_total: {
    type: "counter",
    labels: ["actor", "placement"],
    help: "Time that calls have waited for an instance.",
  },
  lattice_queue_length: { type: "gauge", labels: ["actor", "placement"], help: "Calls that wait for an instance." },
  lattice_instances: { type: "gauge", labels: ["actor", "placement"], help: "Live instances." },
  lattice_instances_busy: { type: "gauge", labels: ["actor", "placement"], help: "Instances with a call in flight." },
  lattice_guest_memory_bytes: {
    type: "gauge",
    labels: ["actor", "placement"],
    help: "Linear memory of all instances.",
  },
  lattice_placements: { type: "gauge", labels: [], help: "Placements, those summed under other included." },
  lattice_provider_calls_total: {
    type: "counter",
    labels: ["provider", "contract", "link_name", "outcome"],
    help: "Operations asked of providers by outcome: ok or error.",
  },
  lattice_link_calls_total: {
    type: "counter",
    labels: ["actor", "contract", "link_name", "outcome"],
    help: "Calls over links to providers here and elsewhere by outcome: ok or error.",
  },
  lattice_remote_sent_total: {
    type: "counter",
    labels: ["form", "outcome"],
    help: "Calls sent to other hosts by form (session or wasmcloud) and outcome: ok or error.",
  },
  lattice_remote_seconds_total: {
    type: "counter",
    labels: ["form"],
    help: "Time of calls sent to other hosts by form: on the wire, there and back, with the work of the other host.",
  },
  lattice_remote_served_total: {
    type: "counter",
    labels: ["form"],
    help: "Calls of other hosts that were verified and answered, by form.",
  },
  lattice_remote_refused_total: {
    type: "counter",
    labels: ["reason"],
    help: "Messages of the lattice to this host that were refused, by reason.",
  },
  lattice_provider_healthy: {
    type: "gauge",
    labels: ["provider", "contract", "link_name"],
    help: "1 when the provider says that it is healthy.",
  },
  lattice_provider_faults_total: {
    type: "counter",
    labels: ["provider", "contract", "link_name"],
    help: "Calls that a provider lost, threw, answered late or unreadably, and times that it held the host's thread.",
  },
  lattice_http_requests_total: {
    type: "counter",
    labels: ["status"],
    help: "Answered HTTP requests by class of status.",
  },
  lattice_http_connections: { type: "gauge", labels: [], help: "Open HTTP connections." },
  lattice_unclaimed_calls_total: {
    type: "counter",
    labels: [],
    help: "Calls of logging and numbers that the actor's token does not claim.",
  },
  lattice_engines: { type: "gauge", labels: ["state"], help: "Engines by state: alive or lost." },
  lattice_engine_restarts_total: { type: "counter", labels: ["engine"], help: "Engines that were lost and replaced." },
  lattice_thread_heap_bytes: {
    type: "gauge",
    labels: ["thread"],
    help: "JavaScript heap in use, of the main thread and of each engine.",
  },
  lattice_thread_external_bytes: {
    type: "gauge",
    labels: ["thread"],
    help: "Memory of JavaScript outside of its heap, buffers above all.",
  },
  process_resident_memory_bytes: { type: "gauge", labels: [], help: "Resident memory of the process." },
  process_cpu_seconds_total: { type: "counter", labels: [], help: "CPU time of the process." },
} as const satisfies Record<string, { type: MetricType; labels: readonly string[]; help: string }>;

export type MetricName = keyof typeof metricTable;

/**
 * Turns snapshots into metrics. It remembers two things between scrapes: which placements have
 * series of their own (the busiest when there is room, kept while they live, so that series do not
 * come and go), and the last value of each counter, so that a lost engine never makes one fall.
 */
export class HostMetrics {
  readonly #most: number;
  #own: ReadonlySet<string> = new Set();
  #counters = new Map<string, Climbing>();
  readonly #others = new Map<string, OtherTotal>();

  /** `most` placements and as many providers get series of their own; the rest are summed under `other`. */
  constructor(most: number) {
    this.#most = most;
  }

  families(snapshot: HostSnapshot): Family[] {
    const sheet = new Sheet();
    this.#host(sheet, snapshot);
    this.#placements(sheet, snapshot.placements);
    this.#providers(sheet, snapshot);
    this.#links(sheet, snapshot);
    putRemote(sheet, snapshot);
    return this.#climbed(sheet);
  }

  #host(sheet: Sheet, { host, engines, errors, checks }: HostSnapshot): void {
    const { id: host_id, name, version, lattice } = host;
    sheet.put("lattice_host_info", { host_id, host: name, version, lattice }, 1);
    sheet.put("lattice_uptime_seconds", {}, host.uptimeSeconds);
    for (const { name: check, ok } of checks) sheet.put("lattice_ready", { check }, Number(ok));
    sheet.put("lattice_links", {}, host.links);
    sheet.put("lattice_unclaimed_calls_total", {}, host.unclaimed);
    for (const [code, count] of Object.entries(errors)) sheet.put("lattice_call_errors_total", { code }, count);
    for (const [status, count] of Object.entries(host.http?.requests ?? {})) {
      sheet.put("lattice_http_requests_total", { status }, count);
    }
    if (host.http) sheet.put("lattice_http_connections", {}, host.http.connections);
    const alive = engines.filter((engine) => engine.alive).length;
    sheet.put("lattice_engines", { state: "alive" }, alive);
    sheet.put("lattice_engines", { state: "lost" }, engines.length - alive);
    for (const { index, restarts, memory } of engines) {
      sheet.put("lattice_engine_restarts_total", { engine: String(index) }, restarts);
      if (memory) putMemory(sheet, `engine-${index}`, memory);
    }
    const { heapUsed, external } = memoryUsage();
    putMemory(sheet, "main", { heapBytes: heapUsed, externalBytes: external });
    const { user, system } = cpuUsage();
    sheet.put("process_resident_memory_bytes", {}, memoryUsage.rss());
    sheet.put("process_cpu_seconds_total", {}, (user + system) / 1e6);
  }

  #placements(sheet: Sheet, placements: readonly PlacementFigures[]): void {
    sheet.put("lattice_placements", {}, placements.length);
    const own = this.#choose(placements);
    for (const each of placements) {
      if (own.has(each.id)) putPlacement(sheet, { actor: each.actor, placement: each.id }, each);
    }
    const rest = placements.filter((each) => !own.has(each.id));
    const total = this.#other("placements").sum(rest.map((each) => [each.id, counted(each)] as const));
    if (!total) return;
    const [calls = 0, errors = 0, traps = 0, cpuMs = 0, queueMs = 0] = total;
    const now = (of: (each: PlacementFigures) => number): number => rest.reduce((sum, each) => sum + of(each), 0);
    putPlacement(
      sheet,
      { actor: "other", placement: "other" },
      {
        calls,
        errors,
        traps,
        cpuMs,
        queueMs,
        instances: now((each) => each.instances),
        busy: now((each) => each.busy),
        waiting: now((each) => each.waiting),
        memoryBytes: now((each) => each.memoryBytes),
      },
    );
  }

  #providers(sheet: Sheet, { providers }: HostSnapshot): void {
    for (const { name, contractId, linkName, healthy, calls, errors, faults } of providers.slice(0, this.#most)) {
      const labels = { provider: name, contract: contractId, link_name: linkName };
      sheet.put("lattice_provider_healthy", labels, Number(healthy));
      sheet.put("lattice_provider_calls_total", { ...labels, outcome: "ok" }, calls - errors);
      sheet.put("lattice_provider_calls_total", { ...labels, outcome: "error" }, errors);
      sheet.put("lattice_provider_faults_total", labels, faults);
    }
    const rest = providers.slice(this.#most);
    const total = this.#other("providers").sum(
      rest.map((each) => [each.id, [each.calls, each.errors, each.faults]] as const),
    );
    if (!total) return;
    const [calls = 0, errors = 0, faults = 0] = total;
    const labels = { provider: "other", contract: "other", link_name: "other" };
    sheet.put("lattice_provider_calls_total", { ...labels, outcome: "ok" }, calls - errors);
    sheet.put("lattice_provider_calls_total", { ...labels, outcome: "error" }, errors);
    sheet.put("lattice_provider_faults_total", labels, faults);
  }

  #links(sheet: Sheet, { links }: HostSnapshot): void {
    for (const { actor, contractId, linkName, calls, errors } of links.slice(0, this.#most)) {
      putLink(sheet, { actor, contract: contractId, link_name: linkName }, calls, errors);
    }
    const rest = links.slice(this.#most);
    const total = this.#other("links").sum(rest.map((each) => [each.id, [each.calls, each.errors]] as const));
    if (!total) return;
    const [calls = 0, errors = 0] = total;
    putLink(sheet, { actor: "other", contract: "other", link_name: "other" }, calls, errors);
  }

  /** Ids of the placements with series of their own: those called ones that had them, then the busiest. */
  #choose(placements: readonly PlacementFigures[]): ReadonlySet<string> {
    const keeps = (each: PlacementFigures): boolean => each.calls > 0 && this.#own.has(each.id);
    const kept = placements.filter(keeps);
    const others = placements.filter((each) => !keeps(each)).toSorted((a, b) => b.calls - a.calls);
    this.#own = new Set([...kept, ...others.slice(0, this.#most - kept.length)].map((each) => each.id));
    return this.#own;
  }

  #other(what: string): OtherTotal {
    let total = this.#others.get(what);
    if (!total) this.#others.set(what, (total = new OtherTotal()));
    return total;
  }

  /** The sheet with its counters held from falling; what is no longer on it is forgotten. */
  #climbed(sheet: Sheet): Family[] {
    const before = this.#counters;
    this.#counters = new Map();
    return sheet.families().map((family) => {
      if (family.type !== "counter") return family;
      const samples = family.samples.map(({ labels, value }): Sample => {
        const key = family.name + JSON.stringify(labels);
        const climbing = before.get(key) ?? new Climbing();
        this.#counters.set(key, climbing);
        return { labels, value: climbing.read(value as number) };
      });
      return { ...family, samples };
    });
  }
}

/** Samples by metric; two of the same labels (a provider of the same name twice) are added. */
class Sheet {
  readonly #samples = new Map<MetricName, Map<string, { labels: Labels; value: number }>>();

  put<N extends MetricName>(
    name: N,
    labels: Record<(typeof metricTable)[N]["labels"][number], string>,
    value: number,
  ): void {
    let samples = this.#samples.get(name);
    if (!samples) this.#samples.set(name, (samples = new Map()));
    const key = JSON.stringify(labels);
    const known = samples.get(key);
    if (known) known.value += value;
    else samples.set(key, { labels, value });
  }

  families(): Family[] {
    return [...this.#samples].map(([name, samples]) => ({
      name,
      type: metricTable[name].type,
      help: metricTable[name].help,
      samples: [...samples.values()],
    }));
  }
}

/** A counter that went back to nothing with a lost engine goes on from where it was. */
class Climbing {
  #last = 0;
  #lost = 0;

  read(value: number): number {
    if (value < this.#last) this.#lost += this.#last - value;
    this.#last = value;
    return value + this.#lost;
  }
}

/** Sums the counters of a changing crowd; what those who left had counted stays in the sum. */
class OtherTotal {
  #last = new Map<string, readonly number[]>();
  #gone: number[] = [];

  /** `undefined` as long as there was never anyone. */
  sum(present: readonly (readonly [id: string, counts: readonly number[]])[]): readonly number[] | undefined {
    const now = new Map(present);
    for (const [id, counts] of this.#last) if (!now.has(id)) this.#gone = added(this.#gone, counts);
    this.#last = now;
    if (now.size === 0 && this.#gone.length === 0) return undefined;
    return [...now.values()].reduce<readonly number[]>(added, this.#gone);
  }
}

const added = (a: readonly number[], b: readonly number[]): number[] =>
  Array.from({ length: Math.max(a.length, b.length) }, (_, place) => (a[place] ?? 0) + (b[place] ?? 0));

type Counted = Omit<PlacementFigures, "id" | "key" | "actor">;

const counted = (each: Counted): number[] => [each.calls, each.errors, each.traps, each.cpuMs, each.queueMs];

function putMemory(sheet: Sheet, thread: string, { heapBytes, externalBytes }: ThreadMemory): void {
  sheet.put("lattice_thread_heap_bytes", { thread }, heapBytes);
  sheet.put("lattice_thread_external_bytes", { thread }, externalBytes);
}

function putLink(
  sheet: Sheet,
  labels: { actor: string; contract: string; link_name: string },
  calls: number,
  errors: number,
): void {
  sheet.put("lattice_link_calls_total", { ...labels, outcome: "ok" }, calls - errors);
  sheet.put("lattice_link_calls_total", { ...labels, outcome: "error" }, errors);
}

function putRemote(sheet: Sheet, { remote }: HostSnapshot): void {
  if (!remote) return;
  const { sent, failed, ms, served, refused } = remote;
  for (const form of ["session", "wasmcloud"] as const) {
    sheet.put("lattice_remote_sent_total", { form, outcome: "ok" }, sent[form] - failed[form]);
    sheet.put("lattice_remote_sent_total", { form, outcome: "error" }, failed[form]);
    sheet.put("lattice_remote_seconds_total", { form }, ms[form] / 1_000);
    sheet.put("lattice_remote_served_total", { form }, served[form]);
  }
  for (const [reason, count] of Object.entries(refused)) sheet.put("lattice_remote_refused_total", { reason }, count);
}

function putPlacement(sheet: Sheet, labels: { actor: string; placement: string }, figures: Counted): void {
  const { calls, errors, traps } = figures;
  sheet.put("lattice_calls_total", { ...labels, outcome: "ok" }, calls - errors);
  sheet.put("lattice_calls_total", { ...labels, outcome: "error" }, errors - traps);
  sheet.put("lattice_calls_total", { ...labels, outcome: "trap" }, traps);
  sheet.put("lattice_cpu_seconds_total", labels, figures.cpuMs / 1000);
  sheet.put("lattice_queue_seconds_total", labels, figures.queueMs / 1000);
  sheet.put("lattice_queue_length", labels, figures.waiting);
  sheet.put("lattice_instances", labels, figures.instances);
  sheet.put("lattice_instances_busy", labels, figures.busy);
  sheet.put("lattice_guest_memory_bytes", labels, figures.memoryBytes);
}

import { deliverOperation, healthOperation, httpOperation } from "../capabilities/index.ts";
import {
  contractAliases,
  counted,
  defaultLinkName,
  type Era,
  eras,
  isLatticeError,
  isPublicKey,
  type LatticeError,
} from "../lattice/index.ts";
import { shown } from "./course.ts";
import type { EngineStats } from "./engine-messages.ts";
import type { Host } from "./host.ts";
import { sumPlacements } from "./inventory.ts";
import type { ActorElsewhere, PeerActor } from "./remote/peers.ts";
import { findElsewhere, hostsText, type Whereabouts, whereActor, whereProvider } from "./remote/where.ts";
import { resolveRoute, type Route } from "./routes.ts";
import type { PlacementRow } from "./tables.ts";
import type { PlacementRecord } from "./wanted.ts";

/** One step of the path that a call takes. */
export interface ExplainStep {
  readonly step:
    | "found"
    | "operation"
    | "token"
    | "runs"
    | "reached by"
    | "may call"
    | "limits"
    | "times"
    | "last errors";
  readonly ok: boolean;
  readonly text: string;
  /** Code of the error that the call would meet here. */
  readonly code?: string;
  readonly hint?: string;
}

export interface Explanation {
  readonly target: string;
  readonly steps: readonly ExplainStep[];
}

/**
 * The path that a call to `target` would take, step by step, by dispatch's own resolution.
 * `operation` is the operation to be asked. A contract id, an actor key or a call alias in its place
 * narrows what the actor itself may call, with `/link` for another link name than the default.
 * @throws LatticeError ACTOR_ABSENT, ACTOR_AMBIGUOUS.
 */
export async function explain(host: Host, target: string, operation?: string): Promise<Explanation> {
  const asked = operation !== undefined && !namesTarget(operation) ? operation : undefined;
  const elsewhere = runsHere(host, target) ? [] : findElsewhere(host.fleet.caller.tables, target);
  if (elsewhere[0]) return { target, steps: elsewhereSteps(elsewhere[0].actor, elsewhere) };
  const records = host.wanted.findPlacements(target);
  const [record] = records;
  const { module } = record.spec;
  const { claims } = module;
  const stats = await host.fleet.stats();
  const steps: ExplainStep[] = [
    {
      step: "found",
      ok: true,
      text: `${claims.name} (${module.key}), era ${module.era}, ${counted(records.length, "placement")} from ${record.reference}`,
    },
    tokenStep(record),
    runsStep(
      host,
      records,
      stats.map(({ place }) => place),
    ),
    ...reachedBy(host, record),
    ...(asked === undefined ? [] : [operationStep(module.era, asked)]),
    ...mayCall(host, record, asked === undefined ? operation : undefined),
    ...records.map((each) => limitsStep(each, sumPlacements(stats))),
    ...timesStep(records, sumPlacements(stats)),
    ...remoteTimes(stats),
  ];
  const recent = stats
    .flatMap(({ recentErrors }) => recentErrors)
    .filter(({ target: key }) => key === module.key)
    .toSorted((a, b) => b.at - a.at)
    .slice(0, 5);
  for (const { at, operation: failed, code, message } of recent) {
    steps.push({
      step: "last errors",
      ok: false,
      code,
      text: `${new Date(at).toISOString()} ${failed}: ${message}`,
    });
  }
  return { target, steps };
}

function runsHere({ wanted }: Host, target: string): boolean {
  try {
    return wanted.findPlacements(target).length > 0;
  } catch (error) {
    return !isLatticeError(error) || error.code !== "ACTOR_ABSENT";
  }
}

/** What this host knows of an actor that runs on others: the rest is theirs to explain. */
function elsewhereSteps(actor: PeerActor, elsewhere: readonly ActorElsewhere[]): ExplainStep[] {
  const { name, key, era, issuer } = actor;
  const room = elsewhere.some(({ peer, actor: there }) => there.room > 0 && !peer.draining);
  return [
    { step: "found", ok: true, text: `${name} (${key}), era ${era}, on other hosts` },
    { step: "token", ok: true, text: `issued by ${issuer}, as the hosts that run it say` },
    {
      step: "runs",
      ok: room,
      text: hostsText(elsewhere),
      ...(room ? {} : { code: "QUEUE_FULL", hint: "Give it more instances: lattice scale." }),
    },
  ];
}

/** Contracts hold a colon, aliases a slash; operations neither. */
function namesTarget(text: string): boolean {
  return text.includes(":") || text.includes("/") || isPublicKey(text, "module");
}

/** Actors of each era know the same operation under another name. */
function operationStep(era: Era, operation: string): ExplainStep {
  for (const named of [httpOperation, deliverOperation, healthOperation]) {
    if (named(era) === operation || !eras.some((each) => named(each) === operation)) continue;
    return {
      step: "operation",
      ok: false,
      code: "GUEST_FAILED",
      text: `${operation} is the name of other eras; actors of ${era} know ${named(era)}`,
      hint: `Ask for ${named(era)}.`,
    };
  }
  return { step: "operation", ok: true, text: `${operation} goes to the guest as it is; any operator may ask` };
}

function tokenStep({ spec: { module } }: PlacementRecord): ExplainStep {
  const { issuer, expiresAt } = module.claims;
  const until = expiresAt === undefined ? "never expires" : `expires ${new Date(expiresAt * 1_000).toISOString()}`;
  const over = expiresAt !== undefined && expiresAt * 1_000 <= Date.now();
  return {
    step: "token",
    ok: !over,
    text: `issued by ${issuer}, ${until}`,
    ...(over ? { code: "TOKEN_EXPIRED" } : {}),
  };
}

function runsStep(host: Host, records: readonly PlacementRecord[], answering: readonly number[]): ExplainStep {
  const places = [...new Set(records.flatMap(({ spec }) => spec.places))];
  const up = places.filter((place) => answering.includes(place));
  const where = host.config.engines === 0 ? "in the caller's thread" : `in engine ${up.join(", ")}`;
  if (up.length === 0)
    return {
      step: "runs",
      ok: false,
      code: "ENGINE_LOST",
      text: `no engine of this host answers (wanted: ${places.join(", ")})`,
    };
  return { step: "runs", ok: true, text: `on this host (${host.name}), ${where}; local calls never leave the process` };
}

function reachedBy(host: Host, record: PlacementRecord): ExplainStep[] {
  const { module, id } = record.spec;
  const links = [...host.wanted.links.values()].filter(({ spec }) =>
    spec.placement === undefined ? spec.actor === module.key : spec.placement === id,
  );
  return links.flatMap(({ spec, urls }) => {
    if (urls.length === 0) return [];
    return [
      {
        step: "reached by" as const,
        ok: true,
        text: `${urls.join(", ")} through link "${spec.linkName}" of ${spec.contractId}`,
      },
    ];
  });
}

function mayCall(host: Host, record: PlacementRecord, towards: string | undefined): ExplainStep[] {
  const { tables } = host.fleet.caller;
  const row = tables.placements.get(record.spec.id);
  if (!row) return [];
  if (towards !== undefined) {
    const [namespace = towards, binding = defaultLinkName] = splitLink(towards);
    return [routeStep(host, row, namespace, binding)];
  }
  const { claims } = record.spec.module;
  const links = [...tables.links.values()].filter(({ spec }) => spec.actor === row.spec.module.key);
  return claims.capabilities.filter(Boolean).flatMap((contractId) => {
    const names = links
      .filter(({ spec }) => contractAliases(contractId).includes(spec.contractId))
      .map(({ spec }) => spec.linkName);
    return (names.length > 0 ? names : [defaultLinkName]).map((name) => routeStep(host, row, contractId, name));
  });
}

/** `contract/link`; a call alias holds slashes too, so only what follows a contract id is split. */
function splitLink(towards: string): string[] {
  const slash = towards.indexOf("/");
  return slash > 0 && towards.slice(0, slash).includes(":")
    ? [towards.slice(0, slash), towards.slice(slash + 1)]
    : [towards];
}

function routeStep(host: Host, row: PlacementRow, namespace: string, binding: string): ExplainStep {
  const route = resolveRoute(host.fleet.caller.tables, row, { namespace, binding }, host.config.strict);
  const error = refusal(route);
  const where = whereOf(host, route);
  const text = `${routeText(route, namespace, binding)}${where ? `; ${where.text}` : ""}`;
  if (!error) return { step: "may call", ok: where?.ok ?? true, text, ...(where?.code ? { code: where.code } : {}) };
  return {
    step: "may call",
    ok: false,
    text,
    code: error.code,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
}

function whereOf(host: Host, route: Route): Whereabouts | undefined {
  if (route.kind === "actor") return whereActor(host, route.key);
  return route.kind === "provider" ? whereProvider(host, route.link) : undefined;
}

function refusal(route: Route): LatticeError | undefined {
  if (route.kind !== "refused") return undefined;
  const error = route.error();
  return isLatticeError(error) ? error : undefined;
}

function routeText(route: Route, namespace: string, binding: string): string {
  switch (route.kind) {
    case "provider": {
      const { spec, provider } = route.link;
      const named = provider ? `${provider.spec.name} (${spec.provider})` : spec.provider;
      return `${namespace} under link "${binding}": claimed and linked to ${named}`;
    }
    case "service":
      return `${namespace}: answered by the host itself${route.unclaimed ? ", although the token does not claim it" : ""}`;
    case "actor":
      return `${namespace}: actor ${route.key}`;
    case "refused":
      return route.error().message;
    default:
      return route satisfies never;
  }
}

/** Where the time of its calls went so far. */
function timesStep(records: readonly PlacementRecord[], figures: ReturnType<typeof sumPlacements>): ExplainStep[] {
  const own = records.flatMap(({ spec }) => figures.get(spec.id) ?? []);
  const sum = (of: "calls" | "queueMs" | "cpuMs") => own.reduce((total, each) => total + each[of], 0);
  const calls = sum("calls");
  if (calls === 0) return [];
  const each = (ms: number) => `${shown(ms / calls)} ms`;
  const text = `${counted(calls, "call")} so far: on average ${each(sum("queueMs"))} in the queue and ${each(sum("cpuMs"))} of CPU in the guest; lattice spy tells them one by one`;
  return [{ step: "times", ok: true, text }];
}

/** The same of what this host asked of others, whoever asked. */
function remoteTimes(stats: readonly EngineStats[]): ExplainStep[] {
  const figures = stats.flatMap(({ remote }) => remote ?? []);
  return (["session", "wasmcloud"] as const).flatMap((form) => {
    const sum = (of: "sent" | "ms") => figures.reduce((total, each) => total + each[of][form], 0);
    const calls = sum("sent");
    if (calls === 0) return [];
    const text = `${counted(calls, "call")} of this host to others as ${form}: on average ${shown(sum("ms") / calls)} ms there and back`;
    return [{ step: "times" as const, ok: true, text }];
  });
}

function limitsStep({ spec }: PlacementRecord, figures: ReturnType<typeof sumPlacements>): ExplainStep {
  const { limits, id, places } = spec;
  const now = figures.get(id);
  const instances = limits.instances * places.length;
  const queue = limits.queue * places.length;
  const full = now !== undefined && now.busy >= instances;
  const text = `${now?.busy ?? 0} of ${instances} instances busy, ${now?.waiting ?? 0} of ${queue} calls wait; ${limits.cpuMs} ms CPU and ${Math.round(limits.memoryBytes / 2 ** 20)} MiB each`;
  return full
    ? {
        step: "limits",
        ok: now.waiting < queue,
        text,
        ...(now.waiting < queue ? {} : { code: "QUEUE_FULL" }),
        hint: "Give it more instances: lattice scale.",
      }
    : { step: "limits", ok: true, text };
}

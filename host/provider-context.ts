import type { Link, LogRecord, ProviderCall, ProviderContext } from "../capabilities/index.ts";
import {
  canonicalContract,
  fail,
  type LatticeError,
  localInvocation,
  type Origin,
  type Target,
  type VerifiedInvocation,
} from "../lattice/index.ts";
import type { EngineOptions } from "./engine-options.ts";
import type { Listeners } from "./listeners.ts";
import type { LinkRow, ProviderRow, Tables } from "./tables.ts";

/** What of its engine a provider reaches. */
export interface CallsActors {
  readonly tables: Tables;
  readonly listeners: Listeners;
  invoke(invocation: VerifiedInvocation, link: LinkRow): Promise<Uint8Array>;
}

/** What a provider gets of its engine. Its calls to actors pass dispatch like every other. */
export function contextOf(
  engine: CallsActors,
  row: ProviderRow,
  options: EngineOptions,
  config = row.config,
): ProviderContext {
  const { spec } = row;
  const origin: Origin = Object.freeze({
    kind: "provider",
    key: spec.key,
    contractId: spec.contractId,
    linkName: spec.linkName,
  });
  const longest = options.limits.callTimeoutMs;
  return {
    key: spec.key,
    linkName: spec.linkName,
    config,
    signal: row.abort.signal,
    listeners: row.listeners ?? engine.listeners,
    // Not async, and `signal` is not read: each layer of promises costs a call 0.1 us, the signal of an
    // HTTP request 3 us. A local call runs on when its asker has gone, who drops the answer.
    invoke(link, operation, payload, { timeoutMs, trace, cause } = {}) {
      const held = row.links.get(link.id);
      const refusal = held ? claimRefusal(engine.tables, held) : linkAbsent(link);
      if (!held || refusal) return Promise.reject(refusal);
      const own = held.deadlineMs > 0 ? Math.min(held.deadlineMs, longest) : longest;
      const budget = timeoutMs === undefined ? own : Math.min(timeoutMs, own);
      const target: Target = { kind: "actor", key: link.actor, placement: held.spec.placement };
      const end = performance.now() + budget;
      // Whoever made the provider ask does not wait longer for what comes of it.
      const deadline = cause ? Math.min(end, cause.deadline) : end;
      const hops = cause ? cause.hops + 1 : 0;
      held.calls++;
      row.calls++;
      return engine.invoke(
        localInvocation(origin, target, operation, payload, deadline, hops, trace ?? cause?.trace),
        held,
      );
    },
    writeActorLog: (call, record) => options.onLog(actorLine(call, record)),
    log: options.onReport,
  };
}

function linkAbsent(link: Link): LatticeError {
  return fail("LINK_ABSENT", link.linkedActor.name, link.contractId, link.linkName);
}

/** A provider may call an actor that is linked to it and claims its contract; why it may not, else. */
function claimRefusal(tables: Tables, { link, spec }: LinkRow): LatticeError | undefined {
  const placement =
    spec.placement === undefined ? tables.placementsOf(link.actor)[0] : tables.placements.get(spec.placement);
  if (!placement) return claimElsewhere(tables, link);
  if (placement.claims.has(canonicalContract(link.contractId))) return undefined;
  return fail("CLAIM_ABSENT", link.linkedActor.name, link.contractId);
}

/** Of an actor that no host of ours announces only the lattice can tell, when it is called. */
function claimElsewhere(tables: Tables, { actor, contractId, linkedActor }: Link): LatticeError | undefined {
  return tables.claims(actor, contractId) === false ? fail("CLAIM_ABSENT", linkedActor.name, contractId) : undefined;
}

function actorLine({ origin, trace }: ProviderCall, { level, text, target }: LogRecord) {
  const [placement, actor] = origin.kind === "actor" ? [origin.placement, origin.name] : ["", ""];
  const line = {
    placement,
    actor,
    at: Date.now(),
    level,
    stream: "logging" as const,
    text: target ? `${target}: ${text}` : text,
  };
  const traceId = trace?.traceparent.split("-")[1];
  return traceId === undefined ? line : { ...line, traceId };
}

import type { Link, LogRecord, ProviderCall, ProviderContext } from "../capabilities/index.ts";
import { canonicalContract, fail, localInvocation, type Origin, type Target } from "../lattice/index.ts";
import type { Engine, EngineOptions } from "./engine.ts";
import type { ProviderRow, Tables } from "./tables.ts";

/** What a provider gets of its engine. Its calls to actors pass dispatch like every other. */
export function contextOf(engine: Engine, row: ProviderRow, options: EngineOptions): ProviderContext {
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
    config: spec.config,
    signal: row.abort.signal,
    listeners: engine.listeners,
    async invoke(link, operation, payload, { timeoutMs, trace, signal, cause } = {}) {
      const held = engine.tables.links.get(link.id);
      if (!held) throw fail("LINK_ABSENT", link.linkedActor.name, link.contractId, link.linkName);
      checkClaim(engine.tables, link);
      const own = held.deadlineMs > 0 ? Math.min(held.deadlineMs, longest) : longest;
      const budget = timeoutMs === undefined ? own : Math.min(timeoutMs, own);
      const target: Target = { kind: "actor", key: link.actor, placement: held.spec.placement };
      held.calls++;
      const answer = engine.invoke(
        localInvocation(
          origin,
          target,
          operation,
          payload,
          performance.now() + budget,
          cause ? cause.hops + 1 : 0,
          trace ?? cause?.trace,
        ),
      );
      try {
        return await (signal ? orGone(answer, signal, operation) : answer);
      } catch (error) {
        held.errors++;
        throw error;
      }
    },
    writeActorLog: (call, record) => options.onLog(actorLine(call, record)),
    log: options.onReport,
  };
}

/** A provider may call an actor that is linked to it and claims its contract. */
function checkClaim(tables: Tables, link: Link): void {
  const [placement] = tables.placementsOf(link.actor);
  if (!placement) throw fail("ACTOR_ABSENT", link.actor);
  if (!placement.claims.has(canonicalContract(link.contractId)))
    throw fail("CLAIM_ABSENT", link.linkedActor.name, link.contractId);
}

/** Gives up waiting when the outside caller has gone; the guest may still finish. */
function orGone(answer: Promise<Uint8Array>, signal: AbortSignal, what: string): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(fail("CALLER_GONE", what));
    if (signal.aborted) gone();
    else signal.addEventListener("abort", gone, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", gone));
  });
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

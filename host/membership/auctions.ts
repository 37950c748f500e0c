import type { JsonFields } from "../../lattice/index.ts";
import type { Desk } from "./desk.ts";
import { againstActor, againstProvider } from "./willing.ts";

/** What an auction comes to here: a bid, or why there is none. */
type Decision = { readonly bid: object } | { readonly pass: string };

/**
 * A bid for an actor. Silent when labels do not fit, this host takes nothing new or has no room, or is known to refuse it.
 * Source: lattice protocol reference, section 9; captures of 0.82, section 4.
 */
export async function bidForActor(desk: Desk, request: JsonFields): Promise<object | undefined> {
  const actorRef = request.text("actor_ref");
  const constraints = request.texts("constraints");
  const why = await againstActor(desk, actorRef, constraints);
  return decided(desk, actorRef, why ? { pass: why } : { bid: { actor_ref: actorRef, constraints } });
}

/** A bid for a provider; silent too when it runs here under that link name, or this host cannot run it. */
export async function bidForProvider(desk: Desk, request: JsonFields): Promise<object | undefined> {
  const providerRef = request.text("provider_ref");
  const linkName = request.textOr("link_name", "default");
  const constraints = request.texts("constraints");
  const why = await againstProvider(desk, providerRef, linkName, constraints);
  const bid = { provider_ref: providerRef, link_name: linkName, constraints };
  return decided(desk, providerRef, why ? { pass: why } : { bid });
}

/** Bids carry the load, so that a client can choose by it; clients of the 0.x years skip what they do not know. */
async function decided({ host }: Desk, reference: string, decision: Decision): Promise<object | undefined> {
  if ("pass" in decision) {
    host.logger.log("debug", `no bid for ${reference}: ${decision.pass}`);
    return undefined;
  }
  const engines = await host.fleet.stats();
  return {
    ...decision.bid,
    host_id: host.id,
    running: host.wanted.placements.size + host.wanted.providers.size,
    instances: engines.reduce((sum, { instances }) => sum + instances, 0),
    memory_bytes: process.memoryUsage.rss(),
    free_memory: process.availableMemory(),
  };
}

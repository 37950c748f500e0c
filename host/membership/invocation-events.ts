import { randomUUID } from "node:crypto";
import { type Bus, describe, type Subjects } from "../../lattice/index.ts";
import type { Host } from "../host.ts";
import type { SpiedCall, SpyBatch } from "../spy.ts";
import { enveloped } from "./cloud-events.ts";

/** An end of a call, as hosts of 0.x name it: an actor has no contract and no link name. */
interface Entity {
  readonly public_key: string;
  readonly contract_id: string;
  readonly link_name: string;
}

/**
 * Publishes one event for every call of this host's actors and providers, and for calls that hosts of 0.x send
 * here; another host of ours tells of its own. Payloads are never told. Answers what ends it. Calls that come
 * faster than they can be told are told by their number only, those while the server is away not at all.
 * Source: lattice protocol reference, section 7, `invocation_succeeded` and `invocation_failed`.
 */
export function tellInvocations(host: Host, bus: Bus, subjects: Subjects): () => void {
  const subject = subjects.write("invocationEvents");
  const publish = (time: Date, type: string, data: object): void => {
    const event = enveloped({ id: randomUUID(), time: time.toISOString(), data: { ...data } }, type, host.id);
    bus.publish(subject, Buffer.from(JSON.stringify(event)));
  };
  return host.spies.tap(({ calls, missed }: SpyBatch) => {
    if (bus.status !== "connected") return;
    const links = providersOfLinks(host);
    try {
      for (const call of calls) {
        if (isToldElsewhere(host, call)) continue;
        const { at, ms, code, operation, bytes } = call;
        const data = { source: sourceOf(call), dest: destinationOf(call, links), operation, bytes };
        const time = new Date(at + ms);
        if (code === undefined) publish(time, "com.wasmcloud.lattice.invocation_succeeded", data);
        else publish(time, "com.wasmcloud.lattice.invocation_failed", { ...data, error: code });
      }
      if (missed > 0) publish(new Date(), "com.wasmlattice.lattice.invocations_missed", { count: missed });
    } catch (error) {
      host.logger.warn(`calls could not be told: ${describe(error)}`);
    }
  });
}

/** Whoever of our own hosts sends a call here tells of it. */
function isToldElsewhere({ fleet }: Host, { way, peer }: SpiedCall): boolean {
  return way === "received" && peer !== undefined && fleet.caller.tables.peers.get(peer) !== undefined;
}

function sourceOf({ from: { kind, key, contractId = "", linkName = "" } }: SpiedCall): Entity {
  return { public_key: kind === "operator" ? "" : key, contract_id: contractId, link_name: linkName };
}

function destinationOf({ from, to }: SpiedCall, links: ReadonlyMap<string, string>): Entity {
  if (to.kind === "actor") return { public_key: to.key, contract_id: "", link_name: "" };
  const { contractId, linkName } = to;
  const provider = links.get(linkKey(from.key, contractId, linkName)) ?? "";
  return { public_key: provider, contract_id: contractId, link_name: linkName };
}

/** V keys of the providers behind the links that are known here. */
function providersOfLinks({ wanted }: Host): ReadonlyMap<string, string> {
  return new Map(
    [...wanted.links.values()].map(({ spec: { actor, contractId, linkName, provider } }) => [
      linkKey(actor, contractId, linkName),
      provider,
    ]),
  );
}

function linkKey(actor: string, contractId: string, linkName: string): string {
  return `${actor}\n${contractId}\n${linkName}`;
}

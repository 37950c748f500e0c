import { Packr, Unpackr } from "msgpackr";
import type { GuestCall, Introduce } from "../actors/index.ts";
import type { Link, Provider } from "../capabilities/index.ts";
import { describe, fail, isLatticeError } from "../lattice/index.ts";
import type { ProviderSpec } from "./engine-messages.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** Texts by which guests of the eras say that they know no such operation. Source: waPC and actors reference, section 2.3. */
const noHandler = /bad dispatch|unknown operation|no handler|not handled|could not find function/i;

/** Longest wait for the guest to take or drop a binding, in milliseconds. */
const bindMs = 10_000;

type Ask = (operation: string, payload: Uint8Array) => Promise<Uint8Array>;

export interface PortableProvider extends Provider {
  /** Tells a new instance of the guest which actors are bound, before anybody else calls it. */
  readonly introduce: Introduce;
}

/**
 * A waSCC portable provider: a signed module (`prov: true`) that answers a contract. One instance
 * serves, since bindings live in its memory. Payloads pass as they are: these guests speak E2.
 *
 * A link becomes `BindActor`, or `Configure` for the older ones that know no `BindActor`.
 * Source: waPC and actors reference, sections 11.0 and 13.
 */
export function portableProvider(spec: ProviderSpec, call: (call: GuestCall) => Promise<Uint8Array>): PortableProvider {
  const bound = new Map<string, Link>();
  const ask: Ask = (operation, payload) =>
    call({ operation, payload, deadline: performance.now() + bindMs, hops: 0, trace: undefined });
  return {
    contractId: spec.contractId,
    name: spec.name,
    key: spec.key,
    async putLink(link) {
      if (bound.has(link.id)) await remove(ask, link);
      await bind(ask, link);
      bound.set(link.id, link);
    },
    async deleteLink(link) {
      if (bound.delete(link.id)) await remove(ask, link);
    },
    handle({ origin, operation, payload, deadline, hops, trace }) {
      if (origin.kind !== "actor") throw fail("OPERATION_UNKNOWN", spec.contractId, operation);
      return call({ operation, payload, deadline, hops, trace });
    },
    async introduce(askNew) {
      for (const link of bound.values()) {
        try {
          await bind(askNew, link);
        } catch (error) {
          // One that the guest does not take any more leaves the others bound.
          if (!isLatticeError(error) || error.code !== "GUEST_FAILED") throw error;
        }
      }
    },
  };
}

function bind(ask: Ask, link: Link): Promise<void> {
  return tell(ask, ["BindActor", "Configure"], {
    module: link.actor,
    values: { ...link.values, ...aboutActor(link) },
  });
}

function remove(ask: Ask, link: Link): Promise<void> {
  return tell(ask, ["RemoveActor"], { module: link.actor, values: {} });
}

/** The first of these operations that the guest knows; none is no error, since there is nothing that it must be told. */
async function tell(ask: Ask, operations: readonly string[], message: object): Promise<void> {
  const payload = new Uint8Array(packr.pack(message));
  for (const operation of operations) {
    try {
      await ask(operation, payload);
      return;
    } catch (error) {
      if (!noHandler.test(describe(error))) throw error;
    }
  }
}

/**
 * What a portable provider says of itself, or `undefined` when it knows no such question.
 * Its map must hold `placeholder`.
 */
export async function describePortable(ask: Ask): Promise<{ id: string; name: string } | undefined> {
  try {
    const reply: unknown = unpackr.unpack(
      await ask("GetCapabilityDescriptor", new Uint8Array(packr.pack({ placeholder: false }))),
    );
    if (typeof reply !== "object" || reply === null || !("id" in reply) || typeof reply.id !== "string")
      return undefined;
    return { id: reply.id, name: "name" in reply && typeof reply.name === "string" ? reply.name : reply.id };
  } catch (error) {
    if (noHandler.test(describe(error))) return undefined;
    throw error;
  }
}

/** Values that every waSCC provider got with a binding. Source: waPC and actors reference, section 13. */
function aboutActor({ linkedActor }: Link): Record<string, string> {
  return {
    __wascc_issuer: linkedActor.issuer,
    __wascc_capabilities: linkedActor.capabilities.join(","),
    __wascc_name: linkedActor.name,
    __wascc_expires: "",
    __wascc_tags: linkedActor.tags.join(","),
  };
}

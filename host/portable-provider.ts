import { Packr, Unpackr } from "msgpackr";
import type { Link, Provider } from "../capabilities/index.ts";
import { describe, fail, type TraceContext } from "../lattice/index.ts";
import type { ProviderSpec } from "./engine-messages.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** Texts by which guests of the eras say that they know no such operation. Source: waPC and actors reference, section 2.3. */
const noHandler = /bad dispatch|unknown operation|no handler|not handled|could not find function/i;

/** Longest wait for the guest to take or drop a binding, in milliseconds. */
const bindMs = 10_000;

type Ask = (
  operation: string,
  payload: Uint8Array,
  deadline: number,
  hops: number,
  trace?: TraceContext,
) => Promise<Uint8Array>;

/**
 * A waSCC portable provider: a signed module (`prov: true`) that answers a contract. One instance
 * serves, since bindings live in its memory. Payloads pass as they are: these guests speak E2.
 *
 * A link becomes `BindActor`, or `Configure` for the older ones that know no `BindActor`. An instance
 * that takes the place of a lost one knows none: it is told all before it answers. `losses` counts
 * the lost ones.
 * Source: waPC and actors reference, sections 11.0 and 13.
 */
export function portableProvider(spec: ProviderSpec, ask: Ask, losses: () => number): Provider {
  const bound = new Map<string, Link>();
  let known = losses();
  let restored: Promise<unknown> | undefined;
  const tell = async (operations: readonly string[], message: object) => {
    const payload = new Uint8Array(packr.pack(message));
    for (const operation of operations) {
      try {
        await ask(operation, payload, performance.now() + bindMs, 0);
        return;
      } catch (error) {
        if (!noHandler.test(describe(error))) throw error;
      }
    }
  };
  const bind = (link: Link) =>
    tell(["BindActor", "Configure"], { module: link.actor, values: { ...link.values, ...aboutActor(link) } });
  const restore = () => {
    known = losses();
    const all = Promise.all([...bound.values()].map(bind));
    const ended = () => {
      if (restored === all) restored = undefined;
    };
    all.then(ended, ended);
    restored = all;
  };
  return {
    contractId: spec.contractId,
    name: spec.name,
    key: spec.key,
    async putLink(link) {
      if (bound.has(link.id)) await tell(["RemoveActor"], { module: link.actor, values: {} });
      await bind(link);
      bound.set(link.id, link);
    },
    async deleteLink(link) {
      if (bound.delete(link.id)) await tell(["RemoveActor"], { module: link.actor, values: {} });
    },
    handle(call) {
      if (call.origin.kind !== "actor") throw fail("OPERATION_UNKNOWN", spec.contractId, call.operation);
      if (losses() !== known) restore();
      // Nested calls may make one more instance per hop; this guest keeps its bindings in one.
      const answer = () => ask(call.operation, call.payload, call.deadline, 0, call.trace);
      return restored ? restored.then(answer) : answer();
    },
  };
}

/**
 * What a portable provider says of itself, or `undefined` when it knows no such question.
 * Its map must hold `placeholder`.
 */
export async function describePortable(ask: Ask): Promise<{ id: string; name: string } | undefined> {
  try {
    const reply: unknown = unpackr.unpack(
      await ask(
        "GetCapabilityDescriptor",
        new Uint8Array(packr.pack({ placeholder: false })),
        performance.now() + 10_000,
        0,
      ),
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

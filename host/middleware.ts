import { describe, failFrom, isLatticeError, type VerifiedInvocation } from "../lattice/index.ts";
import { mayBeTold } from "./not-begun.ts";

/** Go on with these bytes, or halt here and answer with these. */
export type BeforeStep = { readonly continue: Uint8Array } | { readonly halt: Uint8Array };

/**
 * What runs around each call of a host, as waSCC had it: before and after, on the actor's side and
 * on the provider's. It may look, replace the bytes, or answer itself; it cannot change who is meant
 * or who asks. A throw fails the call. Order: `before` in the order given, `after` in reverse.
 */
export interface Middleware {
  readonly name: string;
  beforeActor?(invocation: VerifiedInvocation): BeforeStep | Promise<BeforeStep>;
  afterActor?(invocation: VerifiedInvocation, reply: Uint8Array): Uint8Array | Promise<Uint8Array>;
  beforeProvider?(invocation: VerifiedInvocation): BeforeStep | Promise<BeforeStep>;
  afterProvider?(invocation: VerifiedInvocation, reply: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** The last step of a call: who answers it. */
export type Answer = (invocation: VerifiedInvocation) => Uint8Array | Promise<Uint8Array>;
/** Middleware of one side, compiled; `undefined` when there is none, so that it costs nothing. */
export type Around = (invocation: VerifiedInvocation, answer: Answer) => Promise<Uint8Array>;

/** Compiles the chain of one side at start. */
export function compileMiddleware(chain: readonly Middleware[], side: "actor" | "provider"): Around | undefined {
  const links = chain.flatMap((each) => {
    const before = side === "actor" ? each.beforeActor?.bind(each) : each.beforeProvider?.bind(each);
    const after = side === "actor" ? each.afterActor?.bind(each) : each.afterProvider?.bind(each);
    return before || after ? [{ name: each.name, before, after }] : [];
  });
  if (links.length === 0) return undefined;
  return async (invocation, answer) => {
    let current = invocation;
    let reached = 0;
    let reply: Uint8Array | undefined;
    for (const { name, before } of links) {
      reached++;
      if (!before) continue;
      const step = await named(name, invocation, () => before(current));
      const bytes = step && ("halt" in step ? step.halt : step.continue);
      if (!(bytes instanceof Uint8Array))
        throw broken(name, invocation, "it says neither continue nor halt with bytes");
      if ("halt" in step) {
        reply = bytes;
        break;
      }
      if (bytes !== current.payload) current = { ...current, payload: bytes };
    }
    reply ??= await answer(current);
    for (const { name, after } of links.slice(0, reached).toReversed()) {
      if (!after) continue;
      const last: Uint8Array = reply;
      reply = await named(name, invocation, () => after(current, last), side);
      if (!(reply instanceof Uint8Array)) throw broken(name, invocation, "it gives back no bytes");
    }
    return reply;
  };
}

/** An error of the catalogue is the middleware's word; anything else it throws fails under its name. `entered`: whose code has answered. */
async function named<T>(
  name: string,
  invocation: VerifiedInvocation,
  work: () => T | Promise<T>,
  entered?: "actor" | "provider",
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const keeps = entered === undefined ? isLatticeError(error) : mayBeTold(error, entered);
    throw keeps ? error : broken(name, invocation, describe(error), error);
  }
}

function broken(name: string, { operation }: VerifiedInvocation, why: string, cause?: unknown) {
  return failFrom(cause, "MIDDLEWARE_FAILED", name, operation, why);
}

import { describe, fail } from "../lattice/index.ts";

/** One end of a call. Contract and link name are those of a provider, as the link says them. */
export interface PolicyEnd {
  /** Key of an actor or provider; of an operator the name. */
  readonly key: string;
  readonly contractId?: string;
  readonly linkName?: string;
}

/**
 * A policy can only tighten: claims and links are always checked by the host itself, before and
 * whatever the policy says.
 */
export type PolicyRequest =
  | {
      readonly action: "start_actor";
      readonly actor: string;
      readonly name: string;
      readonly issuer: string;
      readonly capabilities: readonly string[];
    }
  | {
      readonly action: "start_provider";
      readonly provider: string;
      readonly name: string;
      readonly contractId: string;
      readonly linkName: string;
      /** Who signed its archive, and for when, in seconds since 1970; empty and undefined where nobody did. */
      readonly issuer: string;
      readonly issuedAt: number | undefined;
      readonly expiresAt: number | undefined;
    }
  | {
      readonly action: "perform_invocation";
      /** Key of the actor or provider that calls, or an operator's name. */
      readonly origin: string;
      /** Key of the actor that is called, or a provider's contract. */
      readonly target: string;
      readonly caller: PolicyEnd;
      readonly called: PolicyEnd;
      readonly operation: string;
    };

export type PolicyDecision = { readonly allow: true } | { readonly deny: string };

/**
 * Asked after the host's own checks have passed. A promise makes every call wait for it, so answer
 * at once where you can. A throw counts as a refusal, and so does anything but a plain `allow: true`.
 */
export type Policy = (request: PolicyRequest) => PolicyDecision | Promise<PolicyDecision>;

export const allowed: PolicyDecision = Object.freeze({ allow: true });

/**
 * Asks `policy` about `what`; a promise is returned only when the policy needs one.
 * @throws LatticeError POLICY_REFUSED, directly or by rejection.
 */
export function askPolicy(policy: Policy, request: PolicyRequest, what: string): Promise<void> | undefined {
  let decision: PolicyDecision | Promise<PolicyDecision>;
  try {
    decision = policy(request);
  } catch (error) {
    throw itselfFailed(error, what);
  }
  if (!isPromise(decision)) {
    check(decision, what);
    return undefined;
  }
  return decision.then(
    (later) => check(later, what),
    (error: unknown) => {
      throw itselfFailed(error, what);
    },
  );
}

/** Policies come from plain JavaScript too, so nothing is taken for granted. */
function check(decision: unknown, what: string): void {
  const { allow, deny } = (decision ?? {}) as { allow?: unknown; deny?: unknown };
  if (allow === true && deny === undefined) return;
  throw fail("POLICY_REFUSED", what, typeof deny === "string" ? deny : "it did not say allow");
}

function itselfFailed(error: unknown, what: string) {
  return fail("POLICY_REFUSED", what, `the policy itself failed: ${describe(error)}`);
}

function isPromise(value: unknown): value is Promise<PolicyDecision> {
  return typeof (value as { then?: unknown } | undefined | null)?.then === "function";
}

/** Both must allow. The first is asked first, and what it refuses nobody else hears of. */
export function both(first: Policy | undefined, second: Policy): Policy {
  if (!first) return second;
  return (request) => {
    const decision = first(request);
    if (!isPromise(decision)) return isAllowed(decision) ? second(request) : decision;
    return decision.then((settled) => (isAllowed(settled) ? second(request) : settled));
  };
}

/** Anything but a plain `allow: true` is left to `check`, which refuses it. */
function isAllowed(decision: PolicyDecision): boolean {
  const { allow, deny } = (decision ?? {}) as { allow?: unknown; deny?: unknown };
  return allow === true && deny === undefined;
}

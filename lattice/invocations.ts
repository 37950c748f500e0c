import type { Era } from "./eras.ts";

/** W3C trace context of a call, carried as it came. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/** Who asks. */
export type Origin =
  | {
      readonly kind: "actor";
      readonly key: string;
      readonly name: string;
      readonly placement: string;
      readonly era: Era;
    }
  | { readonly kind: "provider"; readonly key: string; readonly contractId: string; readonly linkName: string }
  | { readonly kind: "operator"; readonly name: string };

/** Who is meant: an actor by key, alias or placement; or whatever provider stands behind a contract. */
export type Target =
  | { readonly kind: "actor"; readonly key: string; readonly placement?: string }
  | { readonly kind: "contract"; readonly contractId: string; readonly linkName: string };

/**
 * One call. `payload` is borrowed until the call settles: who calls does not change it meanwhile,
 * who answers copies what it keeps.
 */
export interface Invocation {
  readonly origin: Origin;
  readonly target: Target;
  readonly operation: string;
  readonly payload: Uint8Array;
  /** When the caller gives up, in milliseconds of this thread's `performance.now()`. */
  readonly deadline: number;
  /** Calls before this one in the chain; 0 for the first. */
  readonly hops: number;
  readonly trace: TraceContext | undefined;
  /** N key of the host that sent it; undefined when this host made it. What came from elsewhere is answered here or not at all. */
  readonly from: string | undefined;
}

declare const verified: unique symbol;

/**
 * An invocation whose origin is proven: made in this process by the host itself (`localInvocation`)
 * or checked after it came over the wire. Only these enter the dispatcher.
 */
export type VerifiedInvocation = Invocation & { readonly [verified]: true };

/** For the host alone: the origin is proven because this process made the call. */
export function localInvocation(
  origin: Origin,
  target: Target,
  operation: string,
  payload: Uint8Array,
  deadline: number,
  hops: number,
  trace: TraceContext | undefined,
): VerifiedInvocation {
  return { origin, target, operation, payload, deadline, hops, trace, from: undefined } as VerifiedInvocation;
}

/** For who has verified a call of another host, after its proof held: of `from` in the name of `origin`. */
export function remoteInvocation(
  from: string,
  origin: Origin,
  target: Target,
  operation: string,
  payload: Uint8Array,
  deadline: number,
  hops: number,
  trace: TraceContext | undefined,
): VerifiedInvocation {
  return { origin, target, operation, payload, deadline, hops, trace, from } as VerifiedInvocation;
}

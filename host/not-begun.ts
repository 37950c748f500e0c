import { type ErrorCode, isLatticeError } from "../lattice/index.ts";

/** Nobody on the other host has heard the call, or it takes none. */
const unheard: readonly ErrorCode[] = ["NO_RESPONDERS", "HELLO_REFUSED", "SESSION_REFUSED", "DRAINING"];

/**
 * Refusals of a call that say for certain that nobody's code was entered, so that another host may be
 * asked. For that they must be nobody's word but the host's: see `mayBeTold`. What a guest meets
 * never leaves its actor under a code of these.
 */
export const notBegun: Readonly<Record<"actor" | "provider", ReadonlySet<ErrorCode>>> = {
  actor: new Set([...unheard, "ACTOR_ABSENT", "QUEUE_FULL"]),
  provider: new Set([...unheard, "PROVIDER_ABSENT", "PROVIDER_DOWN"]),
};

/** What says of a call to another host's provider that nobody has answered it, whether or not it was begun. */
const unanswered: ReadonlySet<ErrorCode> = new Set([
  ...notBegun.provider,
  "HOSTS_UNREACHED",
  "HOST_LOST",
  "ENGINE_LOST",
  "RPC_TIMEOUT",
]);

export function isUnanswered(error: unknown): boolean {
  return isLatticeError(error) && unanswered.has(error.code);
}

/** Whether an error that came out of code of this side keeps its code; one that would say that it was not entered must not. */
export function mayBeTold(error: unknown, side: "actor" | "provider"): boolean {
  return isLatticeError(error) && !notBegun[side].has(error.code);
}

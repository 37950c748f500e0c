import type { PeerActor, PeerHost } from "./peers.ts";

/** A host that may take a call, and how many more it may take. */
export interface Candidate {
  readonly peer: PeerHost;
  readonly room: number;
}

/**
 * Of two at random the one with more room, so that callers who know the same do not all choose the
 * same. Those without room count only when nobody has any.
 */
export function pick(candidates: readonly Candidate[], random: () => number = Math.random): Candidate | undefined {
  if (candidates.length < 2) return candidates[0];
  const roomy = candidates.filter(({ room }) => room > 0);
  const among = roomy.length > 0 ? roomy : candidates;
  const at = Math.floor(random() * among.length);
  const one = among[at];
  if (!one || among.length === 1) return one;
  // Another one: every other place is as likely.
  const other = among[(at + 1 + Math.floor(random() * (among.length - 1))) % among.length]!;
  return other.room > one.room ? other : one;
}

/** Whether a host runs what is meant: a placement when one is named, and what speaks as the caller has encoded. */
export function fits(
  { draining }: PeerHost,
  actor: PeerActor,
  placement: string | undefined,
  era: PeerActor["era"] | undefined,
): boolean {
  if (draining) return false;
  if (placement !== undefined && !actor.placements.includes(placement)) return false;
  return era === undefined || actor.era === era;
}

import type { LinkRow, PlacementRow } from "./tables.ts";

/** Why a call goes to another host: what is meant is not here, or here it takes no calls. */
export type WhyRemote = "absent here" | "full here" | "draining here" | "expired here" | "down here";

/** Where the time of one watched call went, in milliseconds; what did not happen is absent. */
export interface Course {
  /** Waited for an instance. */
  queueMs?: number;
  /** From when the guest began to its answer, with what it asked of the host. */
  guestMs?: number;
  /** Away to another host: there and back, with the work there. */
  remoteMs?: number;
  whyRemote?: WhyRemote;
}

/** The parts that a pool of guests gives a call: it waits, it begins, it ends. */
export function timeGuest(course: Course, call: (begun: () => void) => Promise<Uint8Array>): Promise<Uint8Array> {
  const since = performance.now();
  let began: number | undefined;
  const answer = call(() => {
    began = performance.now();
    course.queueMs = shown(began - since);
  });
  const ended = (): void => {
    if (began === undefined) course.queueMs = shown(performance.now() - since);
    else course.guestMs = shown(performance.now() - began);
  };
  answer.then(ended, ended);
  return answer;
}

/** The way there and back. */
export function timeAway(course: Course, send: () => Promise<Uint8Array>): Promise<Uint8Array> {
  const since = performance.now();
  const answer = send();
  const ended = (): void => void (course.remoteMs = shown(performance.now() - since));
  answer.then(ended, ended);
  return answer;
}

/** Why dispatch asks another host for an actor that these placements here would answer. */
export function whyActorAway(rows: readonly PlacementRow[], placement?: string): WhyRemote {
  const here = rows.filter(({ spec }) => placement === undefined || spec.id === placement);
  if (here.length === 0) return "absent here";
  const taking = here.filter(({ draining, expired }) => !draining && !expired);
  if (taking.length > 0) return "full here";
  return here.some(({ expired }) => !expired) ? "draining here" : "expired here";
}

/** The same of the provider behind a link. */
export function whyProviderAway({ provider }: LinkRow): WhyRemote {
  if (!provider) return "absent here";
  return provider.draining ? "draining here" : "down here";
}

/** Milliseconds to the microsecond. */
export function shown(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

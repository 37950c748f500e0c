import type { GuestCall, GuestHost, Waiter } from "./guest-host.ts";

/** Results of wrapped imports that mean something to the appended wrapper, never to the guest. */
export const sentinel = {
  /** Suspend: `wait` brings the real result. */
  pending: -2_147_483_648,
  /** End the guest by a trap that no guest code can catch. */
  kill: -2_147_483_647,
} as const;

/** Longest text taken over from a guest, in bytes; the rest is cut off. */
export const textBytes = 65_536;

/** What an import waits for while its guest is suspended. */
export interface Pending<T> {
  /** Undefined when the frame's own waiter is told instead. */
  readonly promise: Promise<T> | undefined;
  /** Turns the outcome into the import's result, with the guest's memory valid again. */
  answered(value: T): number;
  refused(error: unknown): number;
  /** Called instead when the guest is discarded meanwhile. */
  cancel?(): void;
}

/** What the imports of one instance need of it. Only valid while that instance runs. */
export interface GuestFrame {
  readonly host: GuestHost;
  /** Told how a host call ended that neither answered at once nor by a promise. */
  readonly waiter: Waiter;
  /** The call being answered, or the start function being run. */
  readonly call: GuestCall | undefined;
  /** Being discarded: its imports do nothing any more. */
  readonly ended: boolean;
  /** Memory as it is now; the view is bound anew when the guest has grown it. */
  memory(): Uint8Array;
  /** The buffer of `memory`, and a view of it by four bytes. Ask for `memory` first. */
  readonly buffer: ArrayBuffer;
  readonly words: Int32Array;
  /** Accounts work that an import did on the guest's behalf, in nanoseconds. */
  charge(ns: number): void;
  /** Suspends the guest: the import returns what this returns. */
  pend(pending: Pending<unknown>): number;
  /** Discards the instance for breaking the rules. Throw what it returns, to leave the guest at once. */
  fault(why: string): Error;
  /** Ends the guest as `proc_exit` asks. */
  exit(code: number): void;
}

const decoder = new TextDecoder();

/**
 * The text at `at`, cut after 64 KiB; bytes that are not UTF-8 read as U+FFFD.
 * @throws the fault of `frame` when the range lies outside memory.
 */
export function readText(frame: GuestFrame, at: number, length: number, what: string): string {
  const memory = frame.memory();
  checkRange(frame, memory, at, length, what);
  frame.charge(500 + Math.min(length, textBytes));
  return decoder.decode(memory.subarray(at, at + Math.min(length, textBytes)));
}

/** @throws the fault of `frame` unless `[at, at + length)` lies in memory. Both are unsigned. */
export function checkRange(frame: GuestFrame, memory: Uint8Array, at: number, length: number, what: string): void {
  if (at + length > memory.length) throw frame.fault(`${what} lies outside its memory (${length} bytes at ${at})`);
}

/** The conversation between the watch over a thread and the thread that keeps it: two unions. */
import type { LogFields } from "../logger.ts";
import type { LogLevel } from "../log-levels.ts";

/** How a line reaches the log of a host whose own thread cannot write it. */
export interface LogForm {
  readonly level: LogLevel;
  readonly structured: boolean;
  readonly base: LogFields;
}

export interface Watched {
  readonly name: string;
  /** Silence of the thread from which it counts, in milliseconds. */
  readonly silenceMs: number;
  readonly log: LogForm;
}

export type ToKeeper =
  | ({ readonly type: "watch"; readonly number: number } & Watched)
  | { readonly type: "forget"; readonly number: number };

/** The thread was held and goes on. */
export interface Stall {
  /** Who had it; 0 for nobody that is watched. */
  readonly number: number;
  /** What of it, by `stepNumber`. */
  readonly step: number;
  readonly ms: number;
  /** The innermost lines of code that ran when it was noticed, `file:///shop/greeting.ts:24`; empty where nobody can tell. */
  readonly where: readonly string[];
}

/** Words of the shared memory. */
export const beatWord = 0;
/** `number * steps + step` of what has the thread. */
export const holderWord = 1;
/** 1 while a debugger may have stopped the thread. */
export const debuggedWord = 2;
export const wordCount = 3;
export const steps = 16;
/** Milliseconds between two beats, and between two looks. */
export const stallBeatMs = 250;

import type { ProviderHandle } from "./wanted.ts";

export interface SwapOptions {
  /** Settings of the new one; the same implementation keeps those of the old one that are not given here. */
  readonly config?: Readonly<Record<string, string>>;
  /** Takes the entries of the store along, while new calls wait. Default false. */
  readonly copyState?: boolean;
  /** Goes on although the copy makes calls wait noticeably. Default false. */
  readonly acceptPause?: boolean;
  /** How long the old one stays ready to serve again, in milliseconds. Default 10 000; 0 = no trial. */
  readonly trialMs?: number;
  /** Longest wait for the calls that the old one holds. Default: the host's `drainMs`. */
  readonly drainMs?: number;
  /** Where the new one came from, for the inventory. Default: what was given. */
  readonly reference?: string;
  /** False refuses archives that are files of this host. Default true. */
  readonly files?: boolean;
  /** Another host of the lattice on which the new one shall run: its id, the beginning of it, or its name. */
  readonly toHost?: string;
  /** Called at each step, in the turn in which it is done. */
  readonly onStep?: (step: SwapStep) => void;
}

/** What a swap goes through, in this order; a swap that fails ends with `failed`, or, on trial, with `returned`. */
export type SwapStepName =
  | "started"
  | "linked"
  | "healthy"
  | "copying"
  | "copied"
  | "switched"
  | "known"
  | "trial"
  | "kept"
  | "drained"
  | "failed"
  | "returned";

export interface SwapStep {
  readonly step: SwapStepName;
  /** For people, without a full stop; never a secret. */
  readonly text: string;
  /** Milliseconds since the swap began. */
  readonly atMs: number;
}

/** How a swap has ended. */
export interface SwapOutcome {
  /** `swapped`: the new one serves. `returned`: it failed its trial and the old one serves again. */
  readonly outcome: "swapped" | "returned";
  /** Who serves now. */
  readonly provider: ProviderHandle;
  /** Name of the host on which it serves, when that is another one. */
  readonly host?: string;
  /** Why it returned. */
  readonly reason?: string;
  /** Calls that the new one was asked before the swap ended. */
  readonly calls: number;
  /** Calls that had to wait, none beyond its own deadline. */
  readonly waited: number;
  /**
   * Calls that failed because of the swap, those of other hosts too: not answered by the one that stops when its
   * drain time ended, or refused by this host, since they could wait no longer or met nobody.
   */
  readonly lost: number;
  readonly keysCopied: number;
  /** How long calls waited at most, in milliseconds. */
  readonly pauseMs: number;
  readonly tookMs: number;
}

/** A swap as `describe` and `get events` show it. */
export interface SwapRecord {
  readonly id: string;
  /** What the old and the new provider share. */
  readonly slot: string;
  /** ISO 8601. */
  readonly startedAt: string;
  /** References, or names of objects. */
  readonly from: string;
  readonly to: string;
  state: SwapStepName;
  reason: string;
  readonly steps: SwapStep[];
}

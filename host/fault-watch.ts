import { isLatticeError } from "../lattice/index.ts";

/** Codes of `unavailable` that say something of the caller or of the host, not of the provider. */
const notItsOwn: ReadonlySet<string> = new Set(["QUEUE_FULL", "DRAINING", "STORE_FULL", "REVISION_CONFLICT"]);

/**
 * Counts the calls that a provider did not answer as one must: it threw what is no error of the
 * catalogue, was late, unreachable or unreadable. A refusal (a wrong type, an unknown operation) is
 * an answer.
 */
export class FaultWatch {
  faults = 0;
  /** Faults since the last answer. */
  inSequence = 0;
  last = "";
  /** Told of each fault: who tries the provider out, and who watches over it always. */
  onFault: ((reason: string) => void) | undefined;
  onAny: ((reason: string) => void) | undefined;

  /** It answered, and held everybody else's thread for it. */
  stalled(reason: string): void {
    this.faults++;
    this.last = reason;
    this.onFault?.(reason);
  }

  /** Whether `error` counts. */
  note(error: unknown): void {
    if (!isFault(error)) {
      this.inSequence = 0;
      return;
    }
    this.faults++;
    this.inSequence++;
    this.last = error instanceof Error ? error.message : "it failed";
    this.onFault?.(this.last);
    this.onAny?.(this.last);
  }
}

function isFault(error: unknown): boolean {
  if (!isLatticeError(error)) return true;
  if (error.code === "PROVIDER_FAILED" || error.code === "REPLY_MALFORMED") return true;
  return error.kind === "unavailable" && !notItsOwn.has(error.code);
}

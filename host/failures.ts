import { type ErrorCode, isLatticeError, type VerifiedInvocation } from "../lattice/index.ts";
import type { RecentError } from "./engine-messages.ts";

/** Failed calls remembered with their text. */
const mostRecent = 50;

/** Failed calls of one engine: how many of each code, and the last ones. */
export class Failures {
  readonly #counts = new Map<ErrorCode, number>();
  readonly #recent: RecentError[] = [];

  note(error: unknown, { target, operation }: VerifiedInvocation): void {
    if (!isLatticeError(error)) return;
    const { code, message } = error;
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
    const name = target.kind === "actor" ? target.key : target.contractId;
    this.#recent.push({ at: Date.now(), target: name, operation, code, message });
    if (this.#recent.length > mostRecent) this.#recent.shift();
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** Oldest first. */
  get recent(): readonly RecentError[] {
    return [...this.#recent];
  }
}

import type { LatticeError } from "../../lattice/index.ts";
import type { ChildAnswer, Unasked } from "./conversation.ts";
import type { Request, ToChild } from "./messages.ts";

export interface RunHooks {
  /** What it says without being asked. */
  onMessage(message: Unasked, payload: Uint8Array): void;
  /** A line of its standard output or error. */
  onLine(stream: "stdout" | "stderr", line: string): void;
  /** Once, when it ended without having been asked to. */
  onGone(error: LatticeError): void;
}

/** A provider's module where it runs, apart from this thread: from its start to its end. */
export interface ProviderRun {
  /** What errors call it. */
  name: string;
  /** Of its process, when it has one of its own. */
  readonly pid?: number;
  /** Why nothing can be asked any more. */
  readonly gone: LatticeError | undefined;
  /** It does something in one piece and cannot answer until then. Undefined where nobody can tell. */
  readonly busy?: boolean;
  /** It takes less than it is sent. Undefined where nobody can tell. */
  readonly full?: boolean;
  /** The id that the next `ask` gets. */
  readonly nextId: number;
  /**
   * Asks and waits, `ms` at most.
   * @throws LatticeError PROVIDER_GONE, QUEUE_FULL, DEADLINE_EXCEEDED; what the provider threw.
   */
  ask(request: Request, payload: Uint8Array | undefined, ms: number): Promise<ChildAnswer>;
  tell(message: Exclude<ToChild, Request>, payload?: Uint8Array): void;
  /** Asks it to stop, and ends it when it does not within `stopMs`. May be called twice. */
  stop(): Promise<void>;
}

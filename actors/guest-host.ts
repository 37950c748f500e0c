import type { Asker, TraceContext } from "../lattice/index.ts";

/**
 * What a guest needs of the host: one way out, and a place for its log lines. `host/dispatch.ts`
 * implements it for real, tests with a few lines.
 */
export interface GuestHost {
  /**
   * A guest asks the host. Bytes answer at once; a promise suspends the guest, and so does undefined:
   * then `waiter` is told, once and later. A throw, a rejection or a failure becomes the host error
   * text that the guest may read and survive.
   * `payload` is a view over guest memory, stable until the answer is there: the guest is suspended
   * meanwhile. Copy it before sending it to another thread.
   */
  hostCall(
    site: CallSite,
    payload: Uint8Array,
    call: GuestCall,
    waiter: Waiter,
  ): Uint8Array | Promise<Uint8Array> | undefined;
  /** A line of `__console_log` or of WASI standard output and error. */
  log(stream: "console" | "stdout" | "stderr", text: string, call: GuestCall | undefined): void;
}

/**
 * The three names of a `__host_call`, interned per pool, so that dispatch can compile the way of a
 * call once and hang it here. An empty binding is already `default`; the four-parameter form of E0
 * is already split.
 */
export interface CallSite {
  readonly binding: string;
  readonly namespace: string;
  readonly operation: string;
  /** For the host: what it resolved these names to, and at which epoch of its tables. */
  route: unknown;
  epoch: number;
}

/**
 * Who is told how a call ended. It is told on the stack of whoever ends the call, a guest as a rule: it
 * notes it or writes it where it goes, and asks for nothing more.
 */
export interface Waiter extends Asker<Uint8Array> {
  /** For who measures: a guest begins. */
  readonly begun?: () => void;
}

/** One call into a guest. The fields that travel on with nested host calls are here too. */
export interface GuestCall {
  readonly operation: string;
  /** Borrowed until the call settles. */
  readonly payload: Uint8Array;
  /** In milliseconds of this thread's `performance.now()`. */
  readonly deadline: number;
  readonly hops: number;
  readonly trace: TraceContext | undefined;
  /** Asked beside its work, and not counted as such. */
  readonly aside?: boolean;
}

/**
 * Tells a new instance what it must know before its first call, by calls of its own: `ask` answers as
 * any call does, within the limits of a start.
 */
export type Introduce = (ask: (operation: string, payload: Uint8Array) => Promise<Uint8Array>) => Promise<void>;

import type { WireError } from "../../lattice/index.ts";
import type { SqliteDatabase } from "./database.ts";

/** What the thread is asked for, by name; it tells for each whether it writes. */
export const operations = {
  get: false,
  set: true,
  delete: true,
  contains: false,
  increment: true,
  listAdd: true,
  listRemoveFirst: true,
  listRemoveAll: true,
  listRange: false,
  setAdd: true,
  setRemove: true,
  setQuery: false,
  setUnion: false,
  setIntersection: false,
  page: false,
  count: false,
  clear: true,
  load: true,
  sweep: true,
  ping: false,
} as const satisfies Partial<Record<keyof SqliteDatabase, boolean>>;

export type OperationName = keyof typeof operations;
export type Request = readonly [name: OperationName, ...parameters: unknown[]];

/** Everything that was asked for while the thread was at work: one transaction. */
export interface Batch {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly requests: readonly Request[];
}

export interface ThreadData {
  readonly path: string;
}

/** One answer per request, in order, given once the transaction is on the disk; or why none of it was done. */
export type FromThread =
  | { readonly type: "opened" }
  | { readonly type: "unopened"; readonly error: WireError }
  | { readonly type: "done"; readonly answers: readonly Answered[] }
  | { readonly type: "failed"; readonly error: WireError };

export type Answered = { readonly value: unknown } | { readonly error: WireError };

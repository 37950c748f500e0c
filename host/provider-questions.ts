import type { StoreEntry } from "../capabilities/index.ts";

/**
 * What the supervisor asks of one provider in one engine, beside changes of the tables: how it does,
 * and its state, batch by batch, for a copy to another.
 */
export type ProviderQuestion =
  | { readonly type: "figures"; readonly id: string }
  /** Asked of the provider itself; one that does not say in time is not well. */
  | { readonly type: "health"; readonly id: string }
  /** Waits until the calls that it holds have ended, at most `withinMs`. */
  | { readonly type: "idle"; readonly id: string; readonly withinMs: number }
  /** Which stores stand behind its links, by link. */
  | { readonly type: "stores"; readonly id: string }
  | { readonly type: "count"; readonly id: string; readonly link: string }
  /** The next entries of the store behind `link`; the first question of an `exportId` begins, `end` gives it up. */
  | {
      readonly type: "export";
      readonly id: string;
      readonly link: string;
      readonly exportId: string;
      readonly end?: boolean;
    }
  | { readonly type: "import"; readonly id: string; readonly link: string; readonly entries: readonly StoreEntry[] };

/** `undefined` stands for a provider that does not run in that engine. */
export type ProviderAnswer =
  | ({ readonly answer: "figures" } & ProviderFigures)
  | { readonly answer: "health"; readonly healthy: boolean; readonly message: string }
  /** Calls that had not ended. */
  | { readonly answer: "idle"; readonly left: number }
  | { readonly answer: "stores"; readonly stores: readonly StoreBehind[]; readonly copies: boolean }
  | { readonly answer: "count"; readonly count: number }
  | { readonly answer: "entries"; readonly entries: readonly StoreEntry[]; readonly done: boolean }
  | { readonly answer: "imported"; readonly count: number };

export interface ProviderFigures {
  /** Calls between it and actors, in both directions. */
  readonly calls: number;
  /** Those that it did not answer as a provider must: thrown, late, unreadable. */
  readonly faults: number;
  /** Calls that had to wait while it was held. */
  readonly waited: number;
  /**
   * Calls that were refused since it was held, swapped or gone to another host: they waited too long, were too many,
   * or came to where it was and were not answered where it is.
   */
  readonly refused: number;
  /** Calls that wait for its answer now. */
  readonly inFlight: number;
}

export interface StoreBehind {
  readonly link: string;
  /** Links of one name share a store. */
  readonly name: string;
}

/** What an engine tells of a provider without being asked. */
export interface ProviderNews {
  readonly id: string;
  readonly news: "failing" | "down" | "up" | "restarted" | "given-up" | "stalled";
  readonly reason: string;
}

export type AnswerTo<T extends ProviderQuestion["type"]> = Extract<
  ProviderAnswer,
  { answer: T extends "export" ? "entries" : T extends "import" ? "imported" : T }
>;

/**
 * The conversation between a host and a provider in a process of its own: two unions. Each message is a frame;
 * those with bytes (payloads, replies) carry them beside it.
 */
import type { LinkedActor, LogRecord, StoreEntry } from "../../capabilities/index.ts";
import type { CopyMember } from "./child-copy.ts";
import type { HttpFromChild, HttpToChild } from "./http-messages.ts";
import type { Era, LinkDefinition, Origin, TraceContext, WireError } from "../../lattice/index.ts";

/** A link as plain data. */
export interface LinkData extends LinkDefinition {
  readonly id: string;
  readonly revision: number;
  readonly linkedActor: LinkedActor;
}

/** What a copy of a provider's entries needs; an empty link id means the provider's own configuration. */
export type CopyRequest =
  /** The next entries, answered with `EntryBatch`; `end` gives the rest up. */
  | { readonly type: "export"; readonly exportId: number; readonly linkId: string; readonly end: boolean }
  | { readonly type: "import"; readonly linkId: string; readonly entries: readonly StoreEntry[] }
  | { readonly type: "count"; readonly linkId: string }
  | { readonly type: "clear"; readonly linkId: string };

export interface EntryBatch {
  readonly entries: readonly StoreEntry[];
  readonly done: boolean;
}

/** What the host asks; each is answered by `done` or `failed` under the same id. */
export type Request =
  /**
   * First of all: import the provider's module and make the provider. Answered with `Introduction`. A module that is
   * `alone` finds this package and none around it.
   */
  | { readonly type: "load"; readonly module: string; readonly settings: unknown; readonly alone: boolean }
  | {
      readonly type: "start";
      readonly key: string;
      readonly linkName: string;
      readonly config: Readonly<Record<string, string>>;
    }
  | { readonly type: "put-link"; readonly link: LinkData }
  | { readonly type: "delete-link"; readonly linkId: string }
  /** With the payload. */
  | {
      readonly type: "call";
      readonly contractId: string;
      readonly operation: string;
      readonly linkName: string;
      readonly linkId: string;
      readonly origin: Origin;
      readonly era: Era;
      /** Time left, since clocks of processes differ. */
      readonly budgetMs: number;
      readonly hops: number;
      readonly trace: TraceContext | null;
    }
  | CopyRequest
  | { readonly type: "health" }
  | { readonly type: "drain" }
  | { readonly type: "stop" };

export type ToChild =
  | (Request & { readonly id: number })
  | HttpToChild
  | { readonly type: "abort" }
  /** The actor of a link is described anew. */
  | { readonly type: "actor"; readonly linkId: string; readonly actor: LinkedActor }
  /** Answer to `invoke`, with the reply. */
  | { readonly type: "invoked"; readonly id: number }
  | { readonly type: "invoke-failed"; readonly id: number; readonly error: WireError };

/** What a provider says of itself once its module is loaded. */
export interface Introduction {
  readonly contractId: string;
  readonly name: string;
  readonly key: string | null;
  /** Those of `copyMembers` that it has. */
  readonly members: readonly CopyMember[];
}

/** What `start` and `put-link` answer. */
export interface Opened {
  /** `LinkStatus` of a link. */
  readonly status: unknown;
  readonly storeName: string | null;
}

/** An error of the catalogue, or whatever else the provider threw. */
export type ChildError = { readonly wire: WireError } | { readonly text: string };

export type FromChild =
  | HttpFromChild
  /** With the reply where a call was answered. */
  | { readonly type: "done"; readonly id: number; readonly result: unknown }
  | { readonly type: "failed"; readonly id: number; readonly error: ChildError }
  /** The provider calls an actor; with the payload. */
  | {
      readonly type: "invoke";
      readonly id: number;
      readonly linkId: string;
      /** For which the payload was encoded. */
      readonly era: Era;
      readonly operation: string;
      readonly timeoutMs: number | null;
      readonly trace: TraceContext | null;
      /** The call that made it ask. */
      readonly cause: { readonly id: number; readonly hops: number; readonly budgetMs: number } | null;
    }
  | {
      readonly type: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly text: string;
      readonly fields: Readonly<Record<string, unknown>> | null;
    }
  /** A line of the actor that made the call `id`. */
  | { readonly type: "actor-log"; readonly id: number; readonly record: LogRecord };

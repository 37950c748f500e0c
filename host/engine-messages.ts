/**
 * The conversation between the supervisor and its engines; that between engines is in `wire-parcel.ts`. Each
 * engine holds the whole tables of its host; `place` says where a thing runs.
 */
import type { GuestLimits, PreparedModule } from "../actors/index.ts";
import type { LinkStatus } from "../capabilities/index.ts";
import type { LinkDefinition, ProviderClaims, WireError } from "../lattice/index.ts";
import type { RemoteFigures } from "./remote/figures.ts";
import type { FormerKey } from "./former-keys.ts";
import type { PeerHost } from "./remote/peers.ts";
import type { RemoteOptions } from "./remote/options.ts";
import type { SealedEntries } from "./secret-bucket.ts";
import type { SpyBatch, SpyWish } from "./spy.ts";
import type { ProviderAnswer, ProviderNews, ProviderQuestion } from "./provider-questions.ts";

/** Index of an engine, or `callerPlace` for the thread that started the host. */
export type Place = number;
export const callerPlace: Place = -1;

/** One placement: the unit that owns pool, limits, link overlay, logs and inventory row. */
export interface PlacementSpec {
  readonly id: string;
  /** Since when it runs under its call alias, in milliseconds since 1970, never twice on one host: the first keeps it. */
  readonly since: number;
  readonly module: PreparedModule;
  readonly limits: GuestLimits;
  /** Configuration of this placement, added to the values of its links. */
  readonly env: Readonly<Record<string, string>>;
  /** Engines that run it. */
  readonly places: readonly Place[];
}

/**
 * What a provider's generations share: a swap starts the next one as `SLOT.GENERATION`, and whoever
 * holds the id of an earlier one means the one that runs now.
 */
export function slotOf(providerId: string): string {
  return providerId.split(".", 1)[0]!;
}

/** One running provider. */
export interface ProviderSpec {
  /** Of this generation: see `slotOf`. */
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly contractId: string;
  readonly linkName: string;
  /** References to secrets stay references here; what they mean only the provider is given. */
  readonly config: Readonly<Record<string, string>>;
  /** The lattice's secrets that its settings refer to, for the engines alone; sealed still. The fleet adds them. */
  readonly sealed?: SealedEntries;
  /** What to run: one of ours by reference, the caller's own object by id, or a portable provider's placement. */
  readonly source:
    | { readonly kind: "builtin"; readonly reference: string }
    | { readonly kind: "object" }
    | { readonly kind: "portable"; readonly placement: string };
  /** What its archive's token says, verified; undefined when nobody signed it. */
  readonly claims?: ProviderClaims;
  /** Where it runs: every place of a stateless one, else one. */
  readonly places: readonly Place[];
}

export interface LinkSpec extends LinkDefinition {
  readonly id: string;
  /** Named configurations whose values come before its own, in this order. */
  readonly config?: readonly string[];
  /** Set when the link is one placement's own, not its actor key's. */
  readonly placement?: string;
  /** `id` of the ProviderSpec that stands behind it here now; undefined while that provider does not run on this host. */
  readonly providerId?: string;
  /** The link name under which the provider runs, where it is another than the link's. */
  readonly providerLinkName?: string;
  /** Grows with each put on this host; whoever puts a link leaves it to the fleet. */
  readonly revision: number;
  /** The lattice's secrets that its values refer to, for the engines alone; sealed still. The fleet adds them. */
  readonly sealed?: SealedEntries;
}

/**
 * A change of the tables, acknowledged when it has taken effect in that engine. Changes of one thing
 * come one after the other, changes of different things at once.
 */
export type EngineChange =
  /** With `mustBeWell` it is refused when the guest says that it is not well. */
  | { readonly type: "put-placement"; readonly spec: PlacementSpec; readonly mustBeWell?: boolean }
  | { readonly type: "resize-placement"; readonly id: string; readonly instances: number }
  /** Takes no new calls, and stays known so that those in flight in other engines can finish. */
  | { readonly type: "drain-placement"; readonly id: string; readonly drainMs: number }
  /** Ends it with all that it still holds. */
  | { readonly type: "drop-placement"; readonly id: string }
  /** One that is `staged` shall take over from another: it opens sockets that are open already without serving them. */
  | { readonly type: "put-provider"; readonly spec: ProviderSpec; readonly staged?: boolean }
  | { readonly type: "drop-provider"; readonly id: string; readonly drainMs: number }
  /** Its settings are read anew; where they mean something else now it is restarted. New calls are held meanwhile. */
  | { readonly type: "renew-provider"; readonly spec: ProviderSpec }
  | { readonly type: "put-link"; readonly link: LinkSpec }
  | { readonly type: "drop-link"; readonly id: string }
  /** What another host of the lattice tells of itself. */
  | { readonly type: "put-peer"; readonly peer: PeerHost }
  /** Another host is gone: what waits for it fails. `orderly`: it said goodbye, and answers what it got before. */
  | { readonly type: "drop-peer"; readonly host: string; readonly orderly?: boolean }
  /** Call aliases, all of them, of actors on hosts that are not ours: the lattice's claims tell their keys. */
  | { readonly type: "put-aliases"; readonly aliases: Readonly<Record<string, string>> }
  /** Serves calls of other hosts and sends calls to them from now on. */
  | { readonly type: "join"; readonly remote: RemoteOptions }
  /** A provider that shall take over opens a link of the one before; no call goes to it yet. */
  | { readonly type: "stage-link"; readonly link: LinkSpec }
  /** New calls over the links of a provider wait, until they are released or their deadline. */
  | { readonly type: "hold-provider"; readonly id: string }
  /** Calls that wait go to whoever stands behind their link now; a trial is over. */
  | { readonly type: "release-provider"; readonly id: string }
  /** All links of one provider go to another in one step, with the calls that wait. */
  | SwapChange
  | GiveChange
  /** For an engine that came later: under which keys others may still call what was swapped here. */
  | { readonly type: "put-former-keys"; readonly keys: readonly FormerKey[] }
  /** Takes no more calls and lets it finish those that it holds; it stays. */
  | { readonly type: "drain-provider"; readonly id: string; readonly drainMs: number }
  /** Whose calls are watched from now on; an empty list watches none. */
  | { readonly type: "put-spies"; readonly spies: readonly SpyWish[] };

export interface SwapChange {
  readonly type: "swap-provider";
  readonly from: string;
  readonly to: string;
  /** All that `from` had, with `to` behind them. */
  readonly links: readonly LinkSpec[];
  /** Share of its calls that may fail before new ones are held back and the supervisor is told; without it nobody watches. */
  readonly tolerated?: number;
}

/**
 * All links of one provider lead to another host in one step, with the calls that wait. Calls that
 * other hosts still send here go there too.
 */
export interface GiveChange {
  readonly type: "give-provider";
  readonly from: NamedProvider & { readonly id: string };
  readonly to: ProviderPlace;
  /** All that `from` had, with the key of the new one and nobody here behind them. */
  readonly links: readonly LinkSpec[];
}

/** A provider as links name it. */
export interface NamedProvider {
  readonly key: string;
  readonly linkName: string;
}

/** Where a provider went that ran here: its key there, and the N key of that host. */
export interface ProviderPlace {
  readonly key: string;
  readonly host: string;
}

export type ToEngine =
  | { readonly type: "change"; readonly requestId: number; readonly change: EngineChange }
  | { readonly type: "stats"; readonly requestId: number }
  | { readonly type: "ask-provider"; readonly requestId: number; readonly question: ProviderQuestion }
  | { readonly type: "drain"; readonly requestId: number; readonly deadlineMs: number }
  | { readonly type: "peer"; readonly place: Place; readonly port: import("node:worker_threads").MessagePort }
  | { readonly type: "stop"; readonly requestId: number };

export type FromEngine =
  | { readonly type: "ready" }
  | { readonly type: "done"; readonly requestId: number; readonly result: EngineResult }
  | { readonly type: "failed"; readonly requestId: number; readonly error: WireError }
  | { readonly type: "log"; readonly lines: readonly ActorLogLine[] }
  | { readonly type: "spied"; readonly batch: SpyBatch }
  | { readonly type: "provider-news"; readonly news: ProviderNews }
  | {
      readonly type: "report";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly text: string;
      readonly fields?: Record<string, unknown>;
    };

export type EngineResult = LinkStatus | EngineStats | ProviderAnswer | undefined;

/** A line that an actor wrote, by whichever way. */
export interface ActorLogLine {
  readonly placement: string;
  readonly actor: string;
  readonly at: number;
  readonly level: "trace" | "debug" | "info" | "warn" | "error" | "critical";
  /** `host`: what the host says of the actor's log. */
  readonly stream: "console" | "stdout" | "stderr" | "logging" | "host";
  readonly text: string;
  readonly traceId?: string;
}

/** Figures of one engine at one moment. */
export interface EngineStats {
  readonly place: Place;
  readonly placements: readonly PlacementStats[];
  readonly links: readonly LinkStats[];
  /** Failed calls from outside the guests, by error code. */
  readonly errors: Readonly<Record<string, number>>;
  /** The last failed calls, oldest first; bounded. */
  readonly recentErrors: readonly RecentError[];
  readonly unclaimed: number;
  readonly connections: number;
  /** Answered HTTP requests by class of status. */
  readonly requests: Readonly<Record<string, number>>;
  readonly providers: readonly ProviderStats[];
  readonly instances: number;
  readonly memory: ThreadMemory;
  /** Its calls to and from other hosts, once it has joined a lattice by a connection of its own. */
  readonly remote?: RemoteFigures;
}

/** What one thread holds for JavaScript, in bytes. Guests' linear memory is counted per placement. */
export interface ThreadMemory {
  readonly heapBytes: number;
  /** Outside of the heap: buffers, and what belongs to objects of C++. */
  readonly externalBytes: number;
}

export interface PlacementStats {
  readonly id: string;
  readonly instances: number;
  readonly busy: number;
  readonly waiting: number;
  readonly calls: number;
  readonly errors: number;
  readonly traps: number;
  readonly cpuMs: number;
  readonly queueMs: number;
  readonly memoryBytes: number;
  /** Why it is not well, as it says. */
  readonly problem: string | undefined;
}

/** A provider that runs in that engine. */
export interface ProviderStats {
  readonly id: string;
  readonly state: "running" | "draining" | "down";
  /** What it says itself; one that does not say in time is not well. */
  readonly healthy: boolean;
  readonly message: string;
  readonly restarts: number;
  readonly calls: number;
  /** Calls that it did not answer as a provider must. */
  readonly faults: number;
  readonly inFlight: number;
}

export interface LinkStats {
  readonly id: string;
  readonly calls: number;
  readonly errors: number;
}

export interface RecentError {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Actor key or contract id. */
  readonly target: string;
  readonly operation: string;
  readonly code: string;
  readonly message: string;
}

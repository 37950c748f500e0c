import type { Era, GuestLanguage, LinkDefinition, Origin, TraceContext } from "../lattice/index.ts";
import type { StoreEntry } from "./keyvalue/store.ts";

/** The actor at the other end of a link. `era` is live: an update may change it under the same key. */
export interface LinkedActor {
  readonly key: string;
  readonly name: string;
  readonly era: Era;
  readonly language: GuestLanguage;
  readonly issuer: string;
  readonly capabilities: readonly string[];
  readonly tags: readonly string[];
}

/** A link as its provider sees it. Each put brings a new object; `id` tells what it is about. */
export interface Link extends LinkDefinition {
  /** The lattice's name of this link: `linkId` plus the placement where one is meant. */
  readonly id: string;
  /** Grows with every put of this link; a put of a revision already held changes nothing. */
  readonly revision: number;
  readonly linkedActor: LinkedActor;
}

/** One operation asked of a provider. */
export interface ProviderCall {
  /** As the actor named it: any name of the contract's alias set. */
  readonly contractId: string;
  readonly operation: string;
  /** Borrowed: it may lie in guest memory and is stable only until `handle` settles. Copy what you keep. */
  readonly payload: Uint8Array;
  readonly linkName: string;
  /** Who asks; `era` says how payload and reply are encoded. */
  readonly origin: Origin;
  readonly era: Era;
  readonly link: Link;
  /** When the caller gives up, in milliseconds of `performance.now()`. */
  readonly deadline: number;
  /** Calls before this one in the chain. */
  readonly hops: number;
  readonly trace: TraceContext | undefined;
}

/** Where a provider listens for connections from outside. Listeners belong to the host and outlive providers. */
export interface Listeners {
  /**
   * Opens, joins or takes over the listener of `address` ("host:port", "[::1]:80"; port 0 = any free one).
   * `handler` gets each request; calling again with the same owner replaces the handler in one step.
   * @throws LatticeError ADDRESS_TAKEN when another owner holds it, ADDRESS_UNAVAILABLE when the system refuses.
   */
  claim(address: string, owner: ListenerOwner, handler: HttpHandler): Promise<ListenerLease>;
  /** Counts an answered request by its status, for the host's figures. */
  answered(status: number): void;
}

export interface ListenerOwner {
  /** Identity: the same id may replace its handler, another is refused. Use the link's id. */
  readonly id: string;
  /** For the error message: the actor's name. */
  readonly name: string;
  /** Another engine of this host has the address open already: join it instead of asking for it alone. */
  readonly joins?: boolean;
  /** Which requests are meant. Those who all give one share an address; without it the owner has it alone. */
  readonly route?: ListenerRoute;
  /** Certificate and key as PEM: the address is served with TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** Requests by the host that they name and by how their path begins; the most exact route gets one. */
export interface ListenerRoute {
  /** A name in lower case, or `*.domain`. */
  readonly host?: string;
  /** Whole segments, from the slash on. */
  readonly path?: string;
}

export interface ListenerLease {
  /** The address bound, with the real port. */
  readonly address: string;
  /** `http://host:port`, `https` with TLS, and the path of its route. */
  readonly url: string;
  /** Gives the address up; connections finish their request in flight. May be called twice. */
  release(): Promise<void>;
}

/** The subset of `node:http` that the listener passes on; `capabilities/http-server` is the only implementer. */
export type HttpHandler = (
  request: import("node:http").IncomingMessage,
  response: import("node:http").ServerResponse,
) => void;

export interface LogRecord {
  readonly level: "trace" | "debug" | "info" | "warn" | "error" | "critical";
  readonly text: string;
  /** The logger's own target where the era has one (E3). */
  readonly target?: string;
}

/** What the host gives a provider. */
export interface ProviderContext {
  /** V key. */
  readonly key: string;
  readonly linkName: string;
  /** The provider's own configuration, as given when it was started. */
  readonly config: Readonly<Record<string, string>>;
  /** Aborted when the provider must stop at once. */
  readonly signal: AbortSignal;
  readonly listeners: Listeners;
  /**
   * Calls the actor of a link. The bytes given stay the caller's until the promise settles; the reply
   * is the caller's. The call passes dispatch like any other: claims, link, deadline, queue.
   */
  invoke(link: Link, operation: string, payload: Uint8Array, options?: InvokeOptions): Promise<Uint8Array>;
  /** A line of an actor's own log (the logging contract); goes to pino and to the placement's ring. */
  writeActorLog(call: ProviderCall, record: LogRecord): void;
  /** The provider's own log. Never give it a secret. */
  log(level: "debug" | "info" | "warn" | "error", text: string, fields?: Record<string, unknown>): void;
}

export interface InvokeOptions {
  /** Longest wait in milliseconds; bounded by the link's and the host's own. */
  timeoutMs?: number;
  trace?: TraceContext;
  /** The call that made the provider ask: its hops and trace carry on, so that circles end. */
  cause?: ProviderCall;
  /**
   * Aborted when the asker no longer waits, for a client that went away; it is made on first reading,
   * which costs a microsecond. A local call runs on and its asker drops the answer, so only those read
   * it who send a call elsewhere.
   */
  readonly signal?: AbortSignal;
}

export interface LinkStatus {
  /** Where the outside world reaches the actor through this link, for example `http://127.0.0.1:8080`. */
  readonly urls?: readonly string[];
  /** Values as they took effect, for example a real port for port 0; other engines of the host open the same. */
  readonly values?: Readonly<Record<string, string>>;
}

export interface Health {
  readonly healthy: boolean;
  readonly message?: string;
}

/**
 * A running implementation of one contract. Only `contractId`, `name` and `handle` are required.
 *
 * `handle` may be called at any time between start and stop, also while another call waits; it
 * answers bytes at once, or a promise of bytes where it must wait: an immediate answer never costs a
 * suspension of the guest. The host never calls anything after `stop`.
 */
export interface Provider {
  /** Any name of the contract's alias set. */
  readonly contractId: string;
  readonly name: string;
  /** V key; the host makes a throw-away one for a provider that has none. */
  readonly key?: string;
  /** True when it keeps no state in the process, so that every engine may run one of its own. Default false. */
  readonly stateless?: boolean;
  /**
   * True when `start` may follow `stop`: the host then brings it back when it does not recover by
   * itself, and puts its links again. Default false.
   */
  readonly restartable?: boolean;
  /** Once, before anything else; again after `stop` where it is `restartable`. */
  start?(context: ProviderContext): void | Promise<void>;
  /**
   * Checks `link.values` and opens what this actor needs. Idempotent per revision; a put with other
   * values replaces what stood without a gap.
   * @throws LatticeError LINK_VALUES_INVALID naming every problem at once.
   */
  putLink?(link: Link): void | LinkStatus | Promise<void | LinkStatus>;
  /**
   * `link.linkedActor` says something else now, for example another era after an update: for one that keeps a
   * copy of it. Others read it when they need it.
   */
  actorChanged?(link: Link): void;
  /** Also called when the link was never put; then it does nothing. */
  deleteLink?(link: Link): void | Promise<void>;
  /** The answer is for reading: it may be a view over a larger block, or the same bytes for many callers. */
  handle(call: ProviderCall): Uint8Array | Promise<Uint8Array>;
  health?(): Health | Promise<Health>;
  /**
   * The entries of the store behind `link` (without one: behind the provider's own configuration), for
   * a copy to another provider of the contract. Nobody writes meanwhile, or entries may be old or new.
   */
  exportEntries?(link?: Link): AsyncIterable<StoreEntry>;
  /**
   * Puts entries as they were elsewhere, each replacing what its key held; other keys stay. May run
   * again with the same entries. Resolves to their number when all are as durable as the store makes them.
   */
  importEntries?(entries: AsyncIterable<StoreEntry>, link?: Link): Promise<number>;
  /** How many entries a copy would hold: exact while nobody writes, cheap beside the copy itself. */
  countEntries?(link?: Link): Promise<number>;
  /** Deletes every entry behind `link` and tells how many. */
  clearEntries?(link?: Link): Promise<number>;
  /**
   * Links whose stores have equal names share one, so that a copy takes it once. Opaque, holds no secret,
   * the same in every engine and on every host.
   */
  storeName?(link?: Link): string;
  /** Takes no more calls from outside; resolves when those it holds are done. */
  drain?(): Promise<void>;
  /** May be called twice. */
  stop?(): Promise<void>;
}

import type { ThreadMemory } from "./engine-messages.ts";
import type { RemoteFigures } from "./remote/figures.ts";

/**
 * What a host tells about itself at one moment: the one input of metrics, `/readyz`, `get hosts` and
 * `top`. Figures that grow never shrink while the placement, provider or engine lives.
 */
export interface HostSnapshot {
  readonly host: HostFigures;
  readonly placements: readonly PlacementFigures[];
  readonly providers: readonly ProviderFigures[];
  readonly engines: readonly EngineFigures[];
  readonly links: readonly LinkFigures[];
  /** Calls to and from other hosts; absent while the host is in no lattice. */
  readonly remote?: RemoteFigures;
  /** Failed calls by error code, since the host started. */
  readonly errors: Readonly<Record<string, number>>;
  /** What `/readyz` asks; the host is ready when all are ok. */
  readonly checks: readonly ReadyCheck[];
}

export interface HostFigures {
  /** N key. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly lattice: string;
  readonly uptimeSeconds: number;
  readonly links: number;
  /** Calls of logging and numbers that the actor's token does not claim. */
  readonly unclaimed: number;
  readonly http?: HttpFigures;
}

export interface HttpFigures {
  readonly connections: number;
  /** Answered requests by class of status: `2xx`, `4xx`. */
  readonly requests: Readonly<Record<string, number>>;
}

/** One placement, over all engines. */
export interface PlacementFigures {
  readonly id: string;
  /** M key and name of the actor. */
  readonly key: string;
  readonly actor: string;
  /** Settled calls, those that failed and those that trapped included. */
  readonly calls: number;
  /** Failed calls, traps included. */
  readonly errors: number;
  readonly traps: number;
  readonly instances: number;
  readonly busy: number;
  /** Calls that wait for an instance now, and the time that calls have waited so far. */
  readonly waiting: number;
  readonly queueMs: number;
  readonly cpuMs: number;
  readonly memoryBytes: number;
}

export interface ProviderFigures {
  readonly id: string;
  /** V key. */
  readonly key: string;
  readonly name: string;
  readonly contractId: string;
  readonly linkName: string;
  readonly healthy: boolean;
  readonly calls: number;
  readonly errors: number;
  /** What it did not answer as a provider must, and how often it held the host's thread. */
  readonly faults: number;
}

/** One link, as this host has seen calls over it. */
export interface LinkFigures {
  readonly id: string;
  /** Name of the actor where it is known, else its key. */
  readonly actor: string;
  readonly contractId: string;
  readonly linkName: string;
  readonly calls: number;
  readonly errors: number;
}

export interface EngineFigures {
  readonly index: number;
  readonly alive: boolean;
  readonly restarts: number;
  readonly instances: number;
  readonly connections: number;
  /** Of a thread of its own. */
  readonly memory?: ThreadMemory;
}

export interface ReadyCheck {
  readonly name: string;
  readonly ok: boolean;
  /** Why not, or what is worth knowing all the same. */
  readonly message?: string;
}

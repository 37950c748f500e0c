import type { Pool } from "../actors/index.ts";
import type { Link, LinkedActor, Provider } from "../capabilities/index.ts";
import { canonicalContract, type Origin } from "../lattice/index.ts";
import type { LinkSpec, PlacementSpec, Place, ProviderSpec } from "./engine-messages.ts";
import { InFlight } from "./in-flight.ts";

/** A placement as one engine sees it; `pool` is there when it runs in this engine. */
export interface PlacementRow {
  spec: PlacementSpec;
  pool: Pool | undefined;
  /** Contracts and actor keys that its token claims; contracts by their canonical name too. */
  claims: ReadonlySet<string>;
  /** Proven origin of every call that it makes. */
  origin: Extract<Origin, { kind: "actor" }>;
  /** What providers see of its key; one for all placements, live across updates. */
  readonly linkedActor: LinkedActor;
  /** Set when its token has run out while it ran. */
  expired: boolean;
  draining: boolean;
}

/** A provider as one engine sees it; `provider` is there when it runs in this engine. */
export interface ProviderRow {
  readonly spec: ProviderSpec;
  readonly provider: Provider | undefined;
  readonly abort: AbortController;
  /** Links by which it may call actors, from before it opens them until it has closed them. */
  readonly links: Map<string, LinkRow>;
  /** Calls that it has not answered yet. */
  readonly inFlight: InFlight;
  calls: number;
  draining: boolean;
}

export interface LinkRow {
  readonly spec: LinkSpec;
  /** The provider's view: one object from put to delete. */
  readonly link: Link;
  readonly provider: ProviderRow;
  /** The link's own bound on a call, in milliseconds; 0 = none. */
  readonly deadlineMs: number;
  /** The actor's calls over it that are not answered yet. */
  readonly inFlight: InFlight;
  calls: number;
  errors: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A provider as it enters the tables. */
export function providerRow(spec: ProviderSpec, provider: Provider | undefined): ProviderRow {
  return {
    spec,
    provider,
    abort: new AbortController(),
    links: new Map(),
    inFlight: new InFlight(),
    calls: 0,
    draining: false,
  };
}

/**
 * What one engine knows of its host: placements, providers, links. Every change raises `epoch`, so
 * that ways compiled earlier are compiled again.
 */
export class Tables {
  epoch = 1;
  readonly placements = new Map<string, PlacementRow>();
  readonly providers = new Map<string, ProviderRow>();
  readonly links = new Map<string, LinkRow>();
  /** Answer for every actor without a link: logging and numbers, by canonical contract. */
  readonly hostServices = new Map<string, ProviderRow>();
  readonly #actors = new Map<string, Mutable<LinkedActor>>();
  readonly #byKey = new Map<string, PlacementRow[]>();
  readonly #byAlias = new Map<string, string>();
  readonly #byLink = new Map<string, LinkRow>();
  readonly place: Place;

  constructor(place: Place) {
    this.place = place;
  }

  /** Placements of an actor key, in the order they were started; empty when there is none. */
  placementsOf(key: string): readonly PlacementRow[] {
    return this.#byKey.get(key) ?? [];
  }

  /** The key behind a call alias. */
  keyOfAlias(alias: string): string | undefined {
    return this.#byAlias.get(alias);
  }

  /** The live description of an actor key that providers hold; made on first use, also before it runs. */
  actor(key: string): LinkedActor {
    let actor = this.#actors.get(key);
    if (!actor) {
      actor = { key, name: key, era: "E4", language: "other", issuer: "", capabilities: [], tags: [] };
      this.#actors.set(key, actor);
    }
    return actor;
  }

  get aliases(): Iterable<[alias: string, key: string]> {
    return this.#byAlias;
  }

  /** A placement's own link wins over its actor key's. */
  findLink(placement: PlacementRow, contractId: string, linkName: string): LinkRow | undefined {
    const rest = `${canonicalContract(contractId)} ${linkName}`;
    return this.#byLink.get(`${placement.spec.id} ${rest}`) ?? this.#byLink.get(`${placement.spec.module.key} ${rest}`);
  }

  /** Rebuilds the indexes after a change. Changes are rare, calls are not. */
  changed(): void {
    this.epoch++;
    this.#byKey.clear();
    this.#byAlias.clear();
    // By when they were started, not by when they came: so all engines agree who keeps an alias.
    for (const row of [...this.placements.values()].toSorted((a, b) => a.spec.order - b.spec.order)) {
      const key = row.spec.module.key;
      const rows = this.#byKey.get(key);
      if (rows) rows.push(row);
      else this.#byKey.set(key, [row]);
      const alias = row.spec.module.claims.callAlias;
      if (alias && !this.#byAlias.has(alias)) this.#byAlias.set(alias, key);
    }
    for (const [key, rows] of this.#byKey) this.#describe(key, rows);
    this.#byLink.clear();
    for (const row of this.links.values()) {
      const { actor, placement, contractId, linkName } = row.spec;
      this.#byLink.set(`${placement ?? actor} ${canonicalContract(contractId)} ${linkName}`, row);
    }
  }

  /** Forgets everything but the host's own services. */
  clear(): void {
    this.placements.clear();
    this.providers.clear();
    this.links.clear();
    this.changed();
  }

  /** Providers see the first placement that takes calls; `Dispatch` sends what they encode to its like. */
  #describe(key: string, rows: readonly PlacementRow[]): void {
    const speaker = rows.find(({ draining, expired }) => !draining && !expired) ?? rows[0];
    if (!speaker) return;
    const { claims, era, language } = speaker.spec.module;
    const { name, issuer, capabilities, tags } = claims;
    this.actor(key);
    Object.assign(this.#actors.get(key)!, { name, era, language, issuer, capabilities, tags });
  }
}

import type { Pool } from "../actors/index.ts";
import type { Link, LinkedActor, Provider } from "../capabilities/index.ts";
import { canonicalContract, fail, type LatticeError, type Origin, type WireEntity } from "../lattice/index.ts";
import type { LinkSpec, NamedProvider, PlacementSpec, Place, ProviderPlace, ProviderSpec } from "./engine-messages.ts";
import { holdsBefore, type PeerActor, type PeerHost, PeerTable } from "./remote/peers.ts";
import { PlacementIndex } from "./placement-index.ts";
import { FaultWatch } from "./fault-watch.ts";
import { FormerKeys } from "./former-keys.ts";
import { GivenAway } from "./given-away.ts";
import type { Hold } from "./hold.ts";
import { InFlight } from "./in-flight.ts";
import type { ProviderListeners } from "./provider-listeners.ts";

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
  /** Its settings as it sees them: with secrets in place of references to them. */
  config: Readonly<Record<string, string>>;
  /** Another one after a restart. */
  provider: Provider | undefined;
  abort: AbortController;
  /** Links by which it may call actors, from before it opens them until it has closed them. */
  readonly links: Map<string, LinkRow>;
  /** Calls that somebody still waits for. */
  readonly inFlight: InFlight;
  /** Its part of the engine's listeners, when it runs here. */
  listeners?: ProviderListeners;
  /** Set while new calls wait. */
  hold: Hold | undefined;
  /** Set while it is on trial: what is told that it fails. */
  onTrial: ((reason: string) => void) | undefined;
  /** Why it is down; calls are refused meanwhile. */
  down: string | undefined;
  restarts: number;
  /** Its number in the watch over this thread times `steps`; 0 while it is not watched. */
  mark: number;
  readonly watch: FaultWatch;
  calls: number;
  /** Calls that have waited. */
  waited: number;
  /** Calls that waited too long, were too many to wait, or came by the name of one that is not known here any more. */
  refused: number;
  draining: boolean;
}

export interface LinkRow {
  readonly spec: LinkSpec;
  /** The provider's view: one object from put to delete. */
  readonly link: Link;
  /** Undefined while its provider does not run on this host. */
  readonly provider: ProviderRow | undefined;
  /** The link's own bound on a call, in milliseconds; 0 = none. */
  readonly deadlineMs: number;
  /** The calls over it that the actor still waits for. */
  readonly inFlight: InFlight;
  calls: number;
  errors: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Why a placement whose token has run out takes no call. */
export function tokenExpired({ origin, spec }: PlacementRow): LatticeError {
  const { expiresAt } = spec.module.claims;
  return fail(
    "TOKEN_EXPIRED",
    origin.name,
    expiresAt === undefined ? "never" : new Date(expiresAt * 1_000).toISOString(),
  );
}

/** A provider as it enters the tables. */
export function providerRow(
  spec: ProviderSpec,
  provider: Provider | undefined,
  config: ProviderRow["config"] = spec.config,
): ProviderRow {
  return {
    spec,
    config,
    provider,
    abort: new AbortController(),
    links: new Map(),
    inFlight: new InFlight(),
    hold: undefined,
    onTrial: undefined,
    down: undefined,
    restarts: 0,
    mark: 0,
    watch: new FaultWatch(),
    calls: 0,
    waited: 0,
    refused: 0,
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
  /** The other hosts of the lattice. */
  readonly peers = new PeerTable();
  /** Answer for every actor without a link: logging and numbers, by canonical contract. */
  readonly hostServices = new Map<string, ProviderRow>();
  readonly #actors = new Map<string, Mutable<LinkedActor>>();
  /** Placements and links as the indexes know them. */
  readonly #indexed = new Map<string, PlacementRow>();
  readonly #indexedLinks = new Map<string, LinkRow>();
  readonly #byKey = new PlacementIndex();
  readonly #byAlias = new PlacementIndex();
  /** Keys under which callers elsewhere may still know what runs here. */
  readonly formerKeys = new FormerKeys();
  /** Providers that ran here and went to another host, by the names that callers may still know. */
  readonly #given = new GivenAway();
  #claimed: ReadonlyMap<string, string> = new Map();
  readonly #byLink = new Map<string, LinkRow>();
  readonly place: Place;
  /** Told after each change of an actor key's placements. */
  onActorChanged: (key: string) => void = () => {};

  constructor(place: Place) {
    this.place = place;
  }

  /** Placements of an actor key, in the order they were started; empty when there is none. */
  placementsOf(key: string): readonly PlacementRow[] {
    return this.#byKey.get(key);
  }

  /** The key behind a call alias: of the first actor that took it, here or on another host, else of whoever claims it. */
  keyOfAlias(alias: string): string | undefined {
    const [row] = this.#byAlias.get(alias);
    const own = row && { since: row.spec.since, key: row.spec.module.key };
    const other = this.peers.holderOfAlias(alias);
    const first = own && other ? (holdsBefore(own, other) ? own : other) : (own ?? other);
    return first?.key ?? this.#claimed.get(alias);
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

  /** The same without making it: undefined for a key that nobody told of. */
  known(key: string): LinkedActor | undefined {
    return this.#actors.get(key);
  }

  get aliases(): Iterable<[alias: string, key: string]> {
    return this.#byAlias.firsts().map(([alias, row]) => [alias, row.spec.module.key]);
  }

  /** A placement's own link wins over its actor key's. */
  findLink(placement: PlacementRow, contractId: string, linkName: string): LinkRow | undefined {
    const rest = `${canonicalContract(contractId)} ${linkName}`;
    return this.#byLink.get(`${placement.spec.id} ${rest}`) ?? this.#byLink.get(`${placement.spec.module.key} ${rest}`);
  }

  /** The link of an actor that runs elsewhere; those of one placement are nobody else's. */
  findLinkOf(actor: string, contractId: string, linkName: string): LinkRow | undefined {
    return this.#byLink.get(`${actor} ${canonicalContract(contractId)} ${linkName}`);
  }

  /** The link between an actor and a provider, by the link's own name or that under which the provider runs. */
  findLinkTo(actor: string, { publicKey, contractId, linkName }: WireEntity): LinkRow | undefined {
    const link = this.findLinkOf(actor, contractId, linkName);
    if (link?.spec.provider === publicKey) return link;
    // It may have been swapped, here or where the caller is, or gone to another host.
    const here = this.formerKeys.now({ key: publicKey, linkName });
    const keys = [publicKey, here, this.#given.get({ key: here, linkName })?.key];
    keys.push(...this.peers.swappedWith(publicKey, linkName));
    if (link && keys.includes(link.spec.provider)) return link;
    for (const row of this.links.values()) {
      const { spec } = row;
      if (spec.actor === actor && spec.providerLinkName === linkName && keys.includes(spec.provider)) return row;
    }
    return undefined;
  }

  /** Where the provider went that a link means, when it ran here before. */
  givenTo({
    provider,
    linkName,
    providerLinkName = linkName,
  }: Pick<LinkSpec, "provider" | "linkName" | "providerLinkName">): ProviderPlace | undefined {
    return this.#given.get({ key: provider, linkName: providerLinkName });
  }

  /** A call of another host was not answered where the provider of that link went. */
  noteUnserved({ provider, linkName, providerLinkName = linkName }: LinkSpec): void {
    this.#given.noteUnserved({ key: provider, linkName: providerLinkName });
  }

  /** How many calls of other hosts were not answered where that provider went. */
  unservedOf(name: NamedProvider): number {
    return this.#given.unserved(name);
  }

  /** A provider goes to another host: who asks for it here, by the old key or the new one, is sent there. */
  give(from: NamedProvider, to: ProviderPlace): void {
    this.#given.put(from, to);
    this.epoch++;
  }

  /** A provider of that name runs here again. */
  takeBack({ key, linkName }: NamedProvider): void {
    this.#given.takeBack({ key, linkName });
    this.formerKeys.forget({ key, linkName });
  }

  /** Whether an actor claims a contract, wherever it runs; undefined when nobody knows it. */
  claims(actor: string, contractId: string): boolean | undefined {
    const [row] = this.placementsOf(actor);
    const contract = canonicalContract(contractId);
    if (row) return row.claims.has(contract);
    return this.peers.actorsOf(actor)[0]?.actor.capabilities.some((each) => canonicalContract(each) === contract);
  }

  /** Every placement or link may have changed. */
  changed(): void {
    for (const id of [...this.#indexed.keys(), ...this.placements.keys()]) this.placementChanged(id);
    for (const id of [...this.#indexedLinks.keys(), ...this.links.keys()]) this.linkChanged(id);
    this.epoch++;
  }

  /** One placement was put, changed or taken away; ten thousand may run, so the others are left alone. */
  placementChanged(id: string): void {
    this.epoch++;
    const before = this.#indexed.get(id);
    const now = this.placements.get(id);
    if (before) this.#unindex(before);
    // By when they were started, not by when they came: so all engines agree who keeps an alias.
    if (now) this.#index(now);
    const key = (now ?? before)?.spec.module.key;
    if (key === undefined) return;
    this.#describe(key, this.placementsOf(key));
    this.onActorChanged(key);
  }

  /** One link was put or taken away. */
  linkChanged(id: string): void {
    this.epoch++;
    const before = this.#indexedLinks.get(id);
    const now = this.links.get(id);
    if (before) this.#byLink.delete(linkKey(before));
    this.#indexedLinks.delete(id);
    if (!now) return;
    this.#byLink.set(linkKey(now), now);
    this.#indexedLinks.set(id, now);
  }

  /** Another host tells of itself. */
  putPeer(peer: PeerHost): void {
    this.#given.follow(peer);
    this.#peersChanged(this.peers.put(peer));
  }

  dropPeer(host: string): void {
    this.#peersChanged(this.peers.drop(host));
  }

  /** Those of earlier are forgotten. */
  putAliases(aliases: Readonly<Record<string, string>>): void {
    this.#claimed = new Map(Object.entries(aliases));
    this.epoch++;
  }

  #peersChanged(keys: readonly string[] | undefined): void {
    if (!keys) return;
    this.epoch++;
    for (const key of keys) this.#describe(key, this.placementsOf(key));
  }

  /** Forgets everything but the host's own services. */
  clear(): void {
    this.placements.clear();
    this.providers.clear();
    this.links.clear();
    this.changed();
  }

  #index(row: PlacementRow): void {
    const { key, claims } = row.spec.module;
    this.#indexed.set(row.spec.id, row);
    this.#byKey.add(key, row);
    if (claims.callAlias) this.#byAlias.add(claims.callAlias, row);
  }

  #unindex(row: PlacementRow): void {
    const { key, claims } = row.spec.module;
    this.#indexed.delete(row.spec.id);
    this.#byKey.delete(key, row);
    if (claims.callAlias) this.#byAlias.delete(claims.callAlias, row);
  }

  /** Providers see the first placement that takes calls; `Dispatch` sends what they encode to its like. */
  #describe(key: string, rows: readonly PlacementRow[]): void {
    const speaker = rows.find(({ draining, expired }) => !draining && !expired) ?? rows[0];
    const module = speaker?.spec.module;
    const described = module ? { ...module.claims, era: module.era, language: module.language } : this.#elsewhere(key);
    if (!described) return;
    const { name, era, language, issuer, capabilities, tags } = described;
    this.actor(key);
    Object.assign(this.#actors.get(key)!, { name, era, language, issuer, capabilities, tags });
    for (const { provider, links } of this.providers.values()) {
      if (!provider?.actorChanged) continue;
      for (const { link } of links.values()) if (link.actor === key) provider.actorChanged(link);
    }
  }

  #elsewhere(key: string): PeerActor | undefined {
    return this.peers.actorsOf(key)[0]?.actor;
  }
}

/** A link's name in its index: of one placement, or of every placement of its actor. */
function linkKey({ spec: { actor, placement, contractId, linkName } }: LinkRow): string {
  return `${placement ?? actor} ${canonicalContract(contractId)} ${linkName}`;
}

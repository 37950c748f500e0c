import { type Era, fail, type GuestLanguage, type LatticeError, type RpcPolicy } from "../../lattice/index.ts";
import { match, shortContract } from "../names.ts";

/** Another of our hosts as its checked presence tells it: what engines need to send calls there. */
export interface PeerHost {
  /** N key. */
  readonly host: string;
  readonly name: string;
  readonly version: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Its signed session hello. */
  readonly hello: string;
  /** Its engines that are up and take directed calls: `c` for the caller's thread, else their numbers. */
  readonly places: readonly string[];
  readonly rpc: RpcPolicy;
  /** Takes no new calls. */
  readonly draining: boolean;
  readonly actors: readonly PeerActor[];
  readonly providers: readonly PeerProvider[];
}

/** One actor key on one other host. */
export interface PeerActor {
  readonly key: string;
  readonly alias?: string;
  readonly name: string;
  readonly issuer: string;
  readonly era: Era;
  readonly language: GuestLanguage;
  readonly capabilities: readonly string[];
  readonly tags: readonly string[];
  /** Since when it runs there under its call alias, in milliseconds since 1970. */
  readonly since: number;
  /** Ids of its placements there. */
  readonly placements: readonly string[];
  /** Calls that may come before one is refused; 0 when its queue is full. */
  readonly room: number;
  /** Calls that wait there. */
  readonly queue: number;
}

export interface PeerProvider {
  readonly key: string;
  readonly linkName: string;
  readonly contractId: string;
  readonly name: string;
  /** Takes no new calls. */
  readonly draining?: boolean;
  /** While it takes over from another or is taken over: the key of the one that serves. */
  readonly swap?: string;
}

export interface ActorElsewhere {
  readonly peer: PeerHost;
  readonly actor: PeerActor;
}

export interface ProviderElsewhere {
  readonly peer: PeerHost;
  readonly provider: PeerProvider;
}

/** The other hosts of the lattice, found by what they run. */
export class PeerTable {
  readonly #hosts = new Map<string, PeerHost>();
  readonly #actors = new Map<string, readonly ActorElsewhere[]>();
  readonly #providers = new Map<string, readonly ProviderElsewhere[]>();
  /** By key and link name: the other provider of a swap under way. */
  readonly #swaps = new Map<string, readonly { readonly peer: PeerHost; readonly key: string }[]>();
  readonly #aliases = new Map<string, readonly ActorElsewhere[]>();

  get size(): number {
    return this.#hosts.size;
  }

  all(): readonly PeerHost[] {
    return [...this.#hosts.values()];
  }

  get(host: string): PeerHost | undefined {
    return this.#hosts.get(host);
  }

  /** The hosts that run an actor key; empty when none is known. */
  actorsOf(key: string): readonly ActorElsewhere[] {
    return this.#actors.get(key) ?? [];
  }

  /** The hosts that run this provider under this link name of its own. */
  providersOf(key: string, linkName: string): readonly ProviderElsewhere[] {
    return this.#providers.get(`${key} ${linkName}`) ?? [];
  }

  /** The keys of those with which this provider changes places now, on hosts that run both. */
  swappedWith(key: string, linkName: string): readonly string[] {
    return this.#swaps.get(`${key} ${linkName}`)?.map((other) => other.key) ?? [];
  }

  /** The actor behind a call alias: of several the one that `holdsBefore` the others. */
  holderOfAlias(alias: string): PeerActor | undefined {
    return this.#aliases
      .get(alias)
      ?.map(({ actor }) => actor)
      .reduce((first, each) => (holdsBefore(each, first) ? each : first));
  }

  /**
   * An actor elsewhere by key, call alias, name, or the unique beginning of one of these.
   * @throws LatticeError ACTOR_AMBIGUOUS when it fits actors of different keys.
   */
  findActor(target: string): ActorElsewhere | undefined {
    const key = this.#actors.has(target) ? target : this.holderOfAlias(target)?.key;
    const [known] = this.actorsOf(key ?? "");
    if (known || target === "") return known;
    const firsts = [...this.#actors.values()].flatMap(([first]) => first ?? []);
    const found = match(firsts, ({ actor }) => [actor.key, actor.alias, actor.name], target);
    if (found.length > 1)
      throw ambiguous(
        target,
        found.map(({ actor }) => `${actor.name} (${actor.key})`),
      );
    return found[0];
  }

  /**
   * A provider elsewhere by key, name, contract, or the unique beginning of one of these; of one key
   * under several link names the one of `linkName`.
   * @throws LatticeError ACTOR_AMBIGUOUS when it fits providers of different keys.
   */
  findProvider(target: string, linkName: string): ProviderElsewhere | undefined {
    if (target === "") return undefined;
    const firsts = [...this.#providers.values()].flatMap(([first]) => first ?? []);
    const names = ({ provider: { key, name, contractId } }: ProviderElsewhere) => [
      key,
      name,
      contractId,
      shortContract(contractId),
    ];
    const found = match(firsts, names, target);
    const keys = new Set(found.map(({ provider }) => provider.key));
    if (keys.size > 1)
      throw ambiguous(
        target,
        found.map(({ provider }) => `${provider.name} (${provider.key})`),
      );
    return found.find(({ provider }) => provider.linkName === linkName) ?? found[0];
  }

  /** Takes what a host now tells. Returns the actor keys whose description may have changed; undefined when only its load did. */
  put(peer: PeerHost): readonly string[] | undefined {
    const before = this.#hosts.get(peer.host);
    if (before) this.#unindex(before);
    this.#hosts.set(peer.host, peer);
    for (const actor of peer.actors) {
      add(this.#actors, actor.key, { peer, actor });
      if (actor.alias) add(this.#aliases, actor.alias, { peer, actor });
    }
    for (const provider of peer.providers) {
      const { key, linkName, swap } = provider;
      add(this.#providers, `${key} ${linkName}`, { peer, provider });
      if (swap === undefined) continue;
      add(this.#swaps, `${key} ${linkName}`, { peer, key: swap });
      add(this.#swaps, `${swap} ${linkName}`, { peer, key });
    }
    if (before && shape(before) === shape(peer)) return undefined;
    return keysOf(before, peer);
  }

  /** The host is gone. Returns the actor keys that it ran. */
  drop(host: string): readonly string[] {
    const before = this.#hosts.get(host);
    if (!before) return [];
    this.#hosts.delete(host);
    this.#unindex(before);
    return keysOf(before);
  }

  #unindex({ host, actors, providers }: PeerHost): void {
    for (const { key, alias } of actors) {
      remove(this.#actors, key, host);
      if (alias) remove(this.#aliases, alias, host);
    }
    for (const { key, linkName, swap } of providers) {
      remove(this.#providers, `${key} ${linkName}`, host);
      if (swap === undefined) continue;
      remove(this.#swaps, `${key} ${linkName}`, host);
      remove(this.#swaps, `${swap} ${linkName}`, host);
    }
  }
}

/** Whether `a` keeps a call alias that both have: the first does, of two at once the smaller key. So all hosts agree. */
export function holdsBefore(a: Pick<PeerActor, "since" | "key">, b: Pick<PeerActor, "since" | "key">): boolean {
  return a.since === b.since ? a.key < b.key : a.since < b.since;
}

function add<T>(index: Map<string, readonly T[]>, key: string, entry: T): void {
  index.set(key, [...(index.get(key) ?? []), entry]);
}

function remove<T extends { readonly peer: PeerHost }>(
  index: Map<string, readonly T[]>,
  key: string,
  host: string,
): void {
  const left = (index.get(key) ?? []).filter(({ peer }) => peer.host !== host);
  if (left.length > 0) index.set(key, left);
  else index.delete(key);
}

/** What ways depend on: everything but the load. */
function shape({ draining, actors, providers }: PeerHost): string {
  const still = actors.map(({ room: _room, queue: _queue, ...actor }) => actor);
  return JSON.stringify([draining, still, providers]);
}

function keysOf(...peers: readonly (PeerHost | undefined)[]): readonly string[] {
  return [...new Set(peers.flatMap((peer) => peer?.actors.map(({ key }) => key) ?? []))];
}

function ambiguous(target: string, candidates: readonly string[]): LatticeError {
  return fail("ACTOR_AMBIGUOUS", target, candidates.join(", "));
}

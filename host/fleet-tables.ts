import { canonicalContract, contractOf } from "../lattice/index.ts";
import type { EngineChange, LinkSpec, Place, PlacementSpec, ProviderSpec } from "./engine-messages.ts";
import { GivenAway } from "./given-away.ts";
import { FormerKeys } from "./former-keys.ts";
import type { RemoteOptions } from "./remote/options.ts";
import type { PeerHost } from "./remote/peers.ts";

/** What the engines of a host hold: what a new one is told before it may join. */
export class FleetTables {
  readonly #placements = new Map<string, PlacementSpec>();
  readonly #providers = new Map<string, ProviderSpec>();
  readonly #links = new Map<string, LinkSpec>();
  readonly #peers = new Map<string, PeerHost>();
  #aliases: Readonly<Record<string, string>> | undefined;
  #remote: RemoteOptions | undefined;
  #spies: Extract<EngineChange, { type: "put-spies" }> | undefined;
  /** Providers that take no more calls. */
  readonly #drained = new Set<string>();
  /** Providers that went to other hosts, by the names that they had here. */
  readonly #given = new GivenAway();
  readonly #formerKeys = new FormerKeys();

  link(id: string): LinkSpec | undefined {
    return this.#links.get(id);
  }

  linksOf(providerId: string): readonly LinkSpec[] {
    return [...this.#links.values()].filter((link) => link.providerId === providerId);
  }

  /** Where a put must take effect to be worth anything; empty for other changes, which never wait. */
  placesOf(change: EngineChange): readonly Place[] {
    if (change.type === "put-link" || change.type === "stage-link")
      return this.#providers.get(change.link.providerId ?? "")?.places ?? [];
    const { type } = change;
    return type === "put-placement" || type === "put-provider" || type === "renew-provider" ? change.spec.places : [];
  }

  /** A change has taken effect. */
  remember(change: EngineChange): void {
    switch (change.type) {
      case "put-placement":
        this.#placements.set(change.spec.id, change.spec);
        return;
      case "resize-placement": {
        const spec = this.#placements.get(change.id);
        if (spec) this.#placements.set(change.id, { ...spec, limits: { ...spec.limits, instances: change.instances } });
        return;
      }
      case "drain-placement":
      case "drop-placement":
        this.#placements.delete(change.id);
        return;
      case "put-provider":
        this.#providers.set(change.spec.id, change.spec);
        if (change.staged) return;
        this.#given.takeBack(change.spec);
        this.#formerKeys.forget(change.spec);
        return;
      case "renew-provider":
        this.#providers.set(change.spec.id, change.spec);
        return;
      case "drop-provider":
        this.#providers.delete(change.id);
        this.#drained.delete(change.id);
        for (const [id, link] of this.#links) {
          if (link.providerId === change.id) this.#links.set(id, { ...link, providerId: undefined });
        }
        return;
      case "put-link":
        this.#links.set(change.link.id, change.link);
        return;
      case "drop-link":
        this.#links.delete(change.id);
        return;
      case "put-peer":
        this.#peers.set(change.peer.host, change.peer);
        this.#given.follow(change.peer);
        return;
      case "drop-peer":
        this.#peers.delete(change.host);
        return;
      case "put-aliases":
        this.#aliases = change.aliases;
        return;
      case "join":
        this.#remote = change.remote;
        return;
      case "swap-provider": {
        for (const link of change.links) this.#links.set(link.id, link);
        const [from, to] = [this.#providers.get(change.from), this.#providers.get(change.to)];
        if (to) this.#given.takeBack(to);
        if (from && to) this.#formerKeys.renamed(from, to.key);
        return;
      }
      case "give-provider":
        for (const link of change.links) this.#links.set(link.id, link);
        this.#given.put(change.from, change.to);
        return;
      case "drain-provider":
        this.#drained.add(change.id);
        return;
      case "put-spies":
        this.#spies = change;
        return;
      // What swaps told already.
      case "put-former-keys":
      // Of the moment: an engine that comes later has no call that waits.
      case "stage-link":
      case "hold-provider":
      case "release-provider":
        return;
      default:
        change satisfies never;
    }
  }

  /** What takes back a put that took effect in some engines only; links come back at this `revision`. */
  undo(change: EngineChange, revision: number): EngineChange | undefined {
    if (change.type === "put-placement") {
      const spec = this.#placements.get(change.spec.id);
      return spec ? { type: "put-placement", spec } : { type: "drop-placement", id: change.spec.id };
    }
    if (change.type === "put-provider") return { type: "drop-provider", id: change.spec.id, drainMs: 0 };
    if (change.type !== "put-link") return undefined;
    const link = this.#links.get(change.link.id);
    return link ? { type: "put-link", link: { ...link, revision } } : { type: "drop-link", id: change.link.id };
  }

  /** All of it as changes, in the order in which they can be made. */
  *everything(): Generator<EngineChange> {
    for (const spec of this.#placements.values()) yield { type: "put-placement", spec };
    for (const spec of this.#providers.values()) yield { type: "put-provider", spec };
    // Those that let requests in come last, when what the actors need stands again.
    const opens = ({ contractId }: LinkSpec) => canonicalContract(contractId) === contractOf("httpserver");
    const links = [...this.#links.values()].toSorted((a, b) => Number(opens(a)) - Number(opens(b)));
    for (const peer of this.#peers.values()) yield { type: "put-peer", peer };
    if (this.#aliases) yield { type: "put-aliases", aliases: this.#aliases };
    for (const link of links) yield { type: "put-link", link };
    const formerKeys = this.#formerKeys.all();
    if (formerKeys.length > 0) yield { type: "put-former-keys", keys: formerKeys };
    for (const { from, to } of this.#given.all())
      yield { type: "give-provider", from: { ...from, id: "" }, to, links: [] };
    for (const id of this.#drained) yield { type: "drain-provider", id, drainMs: 0 };
    if (this.#spies) yield this.#spies;
    // Last: who calls from elsewhere finds everything.
    if (this.#remote) yield { type: "join", remote: this.#remote };
  }
}

/** What a change is about, for messages. */
export function nameOfChange(change: EngineChange): string {
  if (change.type === "put-placement") return `actor ${change.spec.module.claims.name}`;
  if (change.type === "put-provider") return `provider ${change.spec.name}`;
  if (change.type !== "put-link") return change.type;
  const { linkName, actor, contractId } = change.link;
  return `link "${linkName}" of ${actor} to ${contractId}`;
}

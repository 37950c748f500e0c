import { describe, type State, type StateChange } from "../lattice/index.ts";
import { StateFollower } from "./state-follower.ts";
import { isLinkKey, linkKey, readLink, type StoredLink, writeLink } from "./stored-links.ts";

/** A link as it stands in the shared state, at the revision of its last put. */
export type KnownLink = StoredLink & { readonly revision: number };

/** Malformed entries that are remembered as told. */
const mostWarned = 1_000;

/**
 * The links that the shared state holds, followed as they change: a bucket of this host's own while
 * it is alone, the lattice's after it has joined one. Entries of others may be anything; those that
 * are no link count as absent and are told once.
 */
export class LinkBook {
  readonly #onChange: (id: string, anew: boolean) => void;
  readonly #warn: (text: string) => void;
  readonly #follower: StateFollower;
  #entries = new Map<string, KnownLink>();
  /** Their keys by id: one for each name of the contract under which it was written. */
  #keys = new Map<string, Set<string>>();
  /** By key, the revision up to which puts are over. */
  #deleted = new Map<string, number>();
  readonly #warned = new Set<string>();

  /**
   * `onChange` is told the id of each link that was put, changed or deleted by anybody; `anew`: it may be another
   * one under the same revision.
   */
  constructor(onChange: (id: string, anew: boolean) => void, warn: (text: string) => void) {
    this.#onChange = onChange;
    this.#warn = warn;
    this.#follower = new StateFollower({ what: "links", onChange: (change) => this.#take(change), warn });
  }

  /** The link as it stands; written under several names of its contract, the last one. */
  get(id: string): KnownLink | undefined {
    let latest: KnownLink | undefined;
    for (const key of this.#keys.get(id) ?? []) {
      const entry = this.#entries.get(key);
      if (entry && (!latest || entry.revision > latest.revision)) latest = entry;
    }
    return latest;
  }

  all(): Iterable<KnownLink> {
    return this.#entries.values();
  }

  /** @throws LatticeError STATE_UNAVAILABLE. */
  async put(link: StoredLink): Promise<KnownLink> {
    const key = linkKey(link.id);
    const revision = await this.#follower.state.put(key, writeLink(link));
    const { id, actor, provider, contractId, linkName, values, providerLinkName, config } = link;
    const known = { id, actor, provider, contractId, linkName, values, providerLinkName, config, revision };
    if (revision > (this.#entries.get(key)?.revision ?? 0)) this.#hold(key, known);
    return known;
  }

  /** Deletes it under every name. @throws LatticeError STATE_UNAVAILABLE. */
  async delete(id: string): Promise<void> {
    for (const key of Array.from(this.#keys.get(id) ?? [])) {
      const over = this.#entries.get(key)?.revision ?? 0;
      await this.#follower.state.delete(key);
      if ((this.#entries.get(key)?.revision ?? 0) > over) continue;
      this.#drop(key);
      this.#deleted.set(key, over);
    }
  }

  /** Reads one link anew, for who knows that it was written elsewhere a moment ago. */
  async refresh(id: string): Promise<void> {
    const entry = await this.#follower.state.get(linkKey(id));
    if (entry) this.#take({ kind: "put", ...entry });
  }

  /**
   * Follows `state` from now on. What was put before goes there unless it holds that link already.
   * Resolves when the entries that stand are told, or, while the state is away, at once: it is tried
   * again for ever. `onFollowed` is called once, when they are told.
   */
  async open(state: State, onFollowed: () => void = () => {}): Promise<void> {
    const before = [...this.#entries.values()];
    this.#entries = new Map();
    this.#keys = new Map();
    this.#deleted = new Map();
    await this.#follower.open(state, async () => {
      for (const link of before) if (!this.get(link.id)) await this.put(link);
      onFollowed();
    });
  }

  /** The state may be there again: it is not waited for any longer. */
  hurry(): void {
    this.#follower.hurry();
  }

  /** Follows no more. May be called twice. */
  close(): void {
    this.#follower.close();
  }

  #take(change: StateChange): void {
    const { key, revision } = change;
    if (!isLinkKey(key)) return;
    const held = this.#entries.get(key);
    const over = change.kind === "put" ? (this.#deleted.get(key) ?? 0) : 0;
    if (!change.anew && revision <= Math.max(held?.revision ?? 0, over)) return;
    const link = change.kind === "put" ? this.#read(key, change.value) : undefined;
    if (link) this.#hold(key, { ...link, revision });
    else this.#drop(key);
    if (change.kind === "delete" || change.anew) this.#deleted.delete(key);
    const id = link?.id ?? held?.id;
    if (id !== undefined) this.#onChange(id, change.anew === true);
  }

  #hold(key: string, link: KnownLink): void {
    this.#entries.set(key, link);
    const keys = this.#keys.get(link.id);
    if (keys) keys.add(key);
    else this.#keys.set(link.id, new Set([key]));
  }

  #drop(key: string): void {
    const link = this.#entries.get(key);
    if (!link || !this.#entries.delete(key)) return;
    const keys = this.#keys.get(link.id);
    if (keys?.delete(key) && keys.size === 0) this.#keys.delete(link.id);
  }

  #read(key: string, bytes: Uint8Array): StoredLink | undefined {
    try {
      return readLink(key, bytes);
    } catch (error) {
      if (!this.#warned.has(key) && this.#warned.size < mostWarned) {
        this.#warned.add(key);
        this.#warn(`an entry of the lattice is skipped: ${describe(error)}`);
      }
      return undefined;
    }
  }
}

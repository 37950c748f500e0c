import { contractOf, fail } from "../../lattice/index.ts";
import { payloadError } from "../codec/malformed.ts";
import type { Health, Link, Provider, ProviderCall, ProviderContext } from "../provider.ts";
import { type LinkValues, readLinkValues, readPrefix, refuseProblems } from "./link-values.ts";
import { operations } from "./operations.ts";
import { prefixed } from "./prefixed.ts";
import { type CopyableStore, type KeyvalueStore, type StoreEntry, isCopyable } from "./store.ts";

/** Where a link's keys live, as its values say. */
export interface StorePlace {
  /** Equal texts mean one store in this process. May hold secrets: it is shown to nobody. */
  readonly id: string;
  /** The same without secrets, for messages. */
  readonly title: string;
}

/** How a provider comes to its stores: one for all links, or one per server that links name. */
export interface StoreSource<Place extends StorePlace = StorePlace> {
  /** Of the provider. */
  readonly name: string;
  readonly stateless: boolean;
  /** Reads the values of a link, or none for the provider's own configuration; adds what is wrong to `problems`. */
  placeOf(values: LinkValues, problems: string[]): Place;
  /** Once per place in use. A server that is away is no error: calls fail until it is there. */
  open(place: Place, report: Report): KeyvalueStore | Promise<KeyvalueStore>;
  /** Set when there is one store for all, open from start to stop; it answers links that were never put as well. */
  readonly only?: KeyvalueStore;
}

/** A line of the provider's log. Never a secret. */
export type Report = (level: "info" | "warn" | "error", text: string) => void;

interface Opened {
  readonly place: StorePlace;
  readonly store: Promise<KeyvalueStore>;
  users: number;
}

interface LinkedStore {
  readonly opened: Opened;
  /** The link's part of the store. */
  readonly store: KeyvalueStore;
}

/** The provider of `wasmcloud:keyvalue` over any source of stores: links to stores, calls to operations. */
export class LinkedStores<Place extends StorePlace = StorePlace> implements Provider {
  readonly contractId = contractOf("keyvalue");
  readonly name: string;
  readonly stateless: boolean;
  readonly #source: StoreSource<Place>;
  readonly #opened = new Map<string, Opened>();
  readonly #links = new Map<string, LinkedStore>();
  #context: ProviderContext | undefined;

  constructor(source: StoreSource<Place>) {
    this.name = source.name;
    this.stateless = source.stateless;
    this.#source = source;
  }

  async start(context: ProviderContext): Promise<void> {
    this.#context = context;
    await this.#source.only?.open?.();
  }

  async putLink(link: Link): Promise<void> {
    const { place, prefix } = this.#read(link);
    const opened = this.#take(place);
    const store = prefixed(await opened.store, prefix);
    const before = this.#links.get(link.id);
    this.#links.set(link.id, { opened, store });
    if (before) await this.#release(before.opened);
  }

  async deleteLink({ id }: Link): Promise<void> {
    const linked = this.#links.get(id);
    if (!linked) return;
    this.#links.delete(id);
    await this.#release(linked.opened);
  }

  handle({ contractId, operation, era, payload, link }: ProviderCall): Uint8Array | Promise<Uint8Array> {
    const run = operations.get(operation);
    if (run === undefined) throw fail("OPERATION_UNKNOWN", contractId, operation);
    const store = this.#links.get(link.id)?.store ?? this.#source.only;
    if (store === undefined) throw fail("LINK_ABSENT", link.linkedActor.name, contractId, link.linkName);
    try {
      return run(store, era, payload);
    } catch (error) {
      throw payloadError(operation, error);
    }
  }

  /** The first store that is not well speaks for all. */
  async health(): Promise<Health> {
    for (const store of await this.#stores()) {
      const health = await store.health?.();
      if (health && !health.healthy) return health;
    }
    return { healthy: true };
  }

  async *exportEntries(link?: Link): AsyncGenerator<StoreEntry> {
    const { store, release } = await this.#copyable(link);
    try {
      yield* store.entries("");
    } finally {
      await release();
    }
  }

  importEntries(entries: AsyncIterable<StoreEntry>, link?: Link): Promise<number> {
    return this.#withCopyable(link, (store) => load(store, entries));
  }

  countEntries(link?: Link): Promise<number> {
    return this.#withCopyable(link, (store) => store.count(""));
  }

  clearEntries(link?: Link): Promise<number> {
    return this.#withCopyable(link, (store) => store.clear(""));
  }

  storeName(link?: Link): string {
    const { place, prefix } = this.#read(link);
    return prefix === "" ? place.title : `${place.title} under ${JSON.stringify(prefix)}`;
  }

  async stop(): Promise<void> {
    const stores = await this.#stores();
    this.#links.clear();
    this.#opened.clear();
    await Promise.all(stores.map(async (store) => store.close?.()));
  }

  async #stores(): Promise<KeyvalueStore[]> {
    const { only } = this.#source;
    return only ? [only] : Promise.all([...this.#opened.values()].map(({ store }) => store));
  }

  #read(link: Link | undefined): { place: Place; prefix: string } {
    const problems: string[] = [];
    const values = readLinkValues(link?.values ?? {}, problems);
    const place = this.#source.placeOf(values, problems);
    const prefix = readPrefix(values, problems);
    refuseProblems(this.name, problems);
    return { place, prefix };
  }

  #take(place: Place): Opened {
    let opened = this.#opened.get(place.id);
    if (opened === undefined) {
      const store = (async () => this.#source.open(place, (level, text) => this.#context?.log(level, text)))();
      opened = { place, store, users: 0 };
      this.#opened.set(place.id, opened);
      // One that cannot be opened is tried anew by the next link.
      store.catch(() => this.#opened.delete(place.id));
    }
    opened.users++;
    return opened;
  }

  async #release(opened: Opened): Promise<void> {
    opened.users--;
    if (opened.users > 0 || this.#source.only) return;
    if (this.#opened.get(opened.place.id) === opened) this.#opened.delete(opened.place.id);
    await (await opened.store).close?.();
  }

  async #withCopyable<T>(link: Link | undefined, work: (store: CopyableStore) => T | Promise<T>): Promise<T> {
    const { store, release } = await this.#copyable(link);
    try {
      return await work(store);
    } finally {
      await release();
    }
  }

  async #copyable(link: Link | undefined): Promise<{ store: CopyableStore; release: () => Promise<void> }> {
    const { place, prefix } = this.#read(link);
    const opened = this.#take(place);
    const release = () => this.#release(opened);
    const store = prefixed(await opened.store, prefix);
    if (isCopyable(store)) return { store, release };
    await release();
    throw fail("PROVIDER_FAILED", this.name, "copy", "its entries cannot be listed");
  }
}

/** Entries on their way into a store at once: enough for a server's pipeline, little memory. */
const loadsAtOnce = 64;

async function load(store: CopyableStore, entries: AsyncIterable<StoreEntry>): Promise<number> {
  let count = 0;
  let batch: Promise<void>[] = [];
  for await (const entry of entries) {
    const answer = store.load(entry);
    count++;
    if (!(answer instanceof Promise)) continue;
    batch.push(answer);
    if (batch.length < loadsAtOnce) continue;
    await Promise.all(batch);
    batch = [];
  }
  await Promise.all(batch);
  return count;
}

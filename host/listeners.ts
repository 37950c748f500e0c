import {
  type HttpHandler,
  type ListenAddress,
  type ListenerLease,
  type ListenerOwner,
  type Listeners as ListenersOfProviders,
  formatAddress,
  parseAddress,
} from "../capabilities/index.ts";
import { fail } from "../lattice/index.ts";
import { Listener, type ListenerOptions } from "./listener.ts";

export type { ListenerOptions } from "./listener.ts";

/** Longest wait for requests in flight when one lease is released, in milliseconds. */
const releaseMs = 10_000;

/**
 * The listening sockets of one engine. They belong to the host and outlive providers: a swap
 * changes what stands behind a socket and never closes it.
 */
export class Listeners implements ListenersOfProviders {
  readonly #options: ListenerOptions;
  readonly #open = new Map<Listener, Promise<void>>();
  /** By hundreds of the status. */
  readonly #answered: number[] = [0, 0, 0, 0, 0, 0];
  #closed = false;

  constructor(options: ListenerOptions = {}) {
    this.#options = options;
  }

  answered(status: number): void {
    const place = Math.floor(status / 100);
    this.#answered[place] = (this.#answered[place] ?? 0) + 1;
  }

  /** Answered requests by class of status: `2xx`, `4xx`. */
  get requests(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#answered.flatMap((count, place) => (count > 0 ? [[`${place}xx`, count]] : [])));
  }

  /** Connections open now, over all sockets. */
  get connections(): number {
    let sum = 0;
    for (const { connections } of this.#open.keys()) sum += connections;
    return sum;
  }

  /** Requests that wait for the next handler of a held owner. */
  get waiting(): number {
    let sum = 0;
    for (const { waiting } of this.#open.keys()) sum += waiting;
    return sum;
  }

  /** Where this engine listens, with real ports. */
  get addresses(): readonly string[] {
    return [...this.#open.keys()].map(({ address }) => formatAddress(address));
  }

  async claim(address: string, owner: ListenerOwner, handler: HttpHandler): Promise<ListenerLease> {
    if (this.#closed) throw fail("STOPPED", "the host's listeners");
    const wanted = parseAddress(address);
    if (!wanted) throw fail("ADDRESS_UNAVAILABLE", address, "it is not host:port");
    const listener = this.#find(wanted, owner) ?? this.#add(wanted, owner);
    const generation = ++listener.generation;
    try {
      await this.#open.get(listener);
    } catch (error) {
      this.#open.delete(listener);
      throw error;
    }
    // A later claim of the same owner may have come while the socket opened: it stays.
    if (listener.generation === generation) listener.serve(owner, handler);
    return {
      address: formatAddress(listener.address),
      url: listener.url,
      release: () => this.#release(listener, generation),
    };
  }

  /**
   * Keeps the sockets of an owner open without a handler until the function returned is called:
   * requests wait for the owner's next claim, bounded, instead of meeting a closed port.
   */
  hold(ownerId: string): () => Promise<void> {
    const held = [...this.#open.keys()].filter(({ owner }) => owner.id === ownerId);
    for (const listener of held) listener.holds++;
    let ended = false;
    return async () => {
      if (ended) return;
      ended = true;
      const left = held.filter((listener) => --listener.holds === 0 && listener.idle);
      await Promise.all(left.map((listener) => this.#close(listener, releaseMs)));
    };
  }

  /** Closes every socket; resolves when requests in flight are answered, or cut off at the deadline. */
  async drain(deadlineMs: number): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#open.keys()].map((listener) => this.#close(listener, deadlineMs)));
  }

  /** Closes everything at once. May be called twice. */
  close(): Promise<void> {
    return this.drain(0);
  }

  /** The socket that this claim means: the owner's own, or none. */
  #find(wanted: ListenAddress, owner: ListenerOwner): Listener | undefined {
    for (const listener of this.#open.keys()) {
      if (!overlap(listener.address, wanted) && !same(listener.wanted, wanted)) continue;
      if (listener.owner.id === owner.id && (same(listener.address, wanted) || same(listener.wanted, wanted)))
        return listener;
      if (overlap(listener.address, wanted)) {
        throw fail("ADDRESS_TAKEN", formatAddress(wanted), listener.owner.name, owner.name);
      }
    }
    return undefined;
  }

  #add(wanted: ListenAddress, owner: ListenerOwner): Listener {
    const listener = new Listener(wanted, owner, this.#options);
    this.#open.set(listener, listener.open());
    return listener;
  }

  async #release(listener: Listener, generation: number): Promise<void> {
    if (listener.generation !== generation) return;
    listener.unserve();
    if (listener.holds === 0) await this.#close(listener, releaseMs);
  }

  async #close(listener: Listener, deadlineMs: number): Promise<void> {
    // The address is free for others at once, also while requests in flight finish.
    this.#open.delete(listener);
    await listener.close(deadlineMs);
  }
}

function same(a: ListenAddress, b: ListenAddress): boolean {
  return a.port === b.port && a.host === b.host;
}

/** Whether two sockets would get each other's connections. Port 0 overlaps with nothing. */
function overlap(a: ListenAddress, b: ListenAddress): boolean {
  return a.port !== 0 && a.port === b.port && (a.host === b.host || isWildcard(a.host) || isWildcard(b.host));
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

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
import type { Seat } from "./seats.ts";

export type { ListenerOptions } from "./listener.ts";

/** Longest wait for requests in flight when one lease is released, in milliseconds. */
const releaseMs = 10_000;

/** A lease whose handler can be put behind its socket again, in one step. */
export interface ListenerClaim extends ListenerLease {
  /** Does nothing once the socket is closed. */
  serve(): void;
}

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
    for (const { seats } of this.#open.keys()) sum += seats.waiting;
    return sum;
  }

  /** Where this engine listens, with real ports. */
  get addresses(): readonly string[] {
    return [...this.#open.keys()].map(({ address }) => formatAddress(address));
  }

  async claim(address: string, owner: ListenerOwner, handler: HttpHandler): Promise<ListenerClaim> {
    const listener = this.#meant(address, owner, true);
    const seat = listener.seats.take(owner);
    const generation = ++seat.generation;
    await this.#opened(listener);
    // A later claim of the same owner may have come while the socket opened: it stays.
    if (seat.generation === generation) listener.seats.serve(seat, owner, handler);
    return this.#claimOf(listener, owner, handler, generation);
  }

  /**
   * As `claim`, for who shall take over later: what stands behind an open socket stays until `serve`,
   * and requests to a new one wait for it.
   */
  async reserve(address: string, owner: ListenerOwner, handler: HttpHandler): Promise<ListenerClaim> {
    const listener = this.#meant(address, owner, false);
    listener.seats.take(owner).holds++;
    await this.#opened(listener);
    return this.#claimOf(listener, owner, handler, undefined);
  }

  /**
   * Keeps the sockets of an owner open without a handler until the function returned is called:
   * requests wait for the owner's next claim, bounded, instead of meeting a closed port.
   */
  hold(ownerId: string): () => Promise<void> {
    const held = [...this.#open.keys()].flatMap((listener) => {
      const seat = listener.seats.get(ownerId);
      return seat ? [{ listener, seat }] : [];
    });
    for (const { seat } of held) seat.holds++;
    let ended = false;
    return async () => {
      if (ended) return;
      ended = true;
      await Promise.all(
        held.map(({ listener, seat }) => {
          seat.holds--;
          return this.#leave(listener, seat);
        }),
      );
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

  /** The socket that this claim means: the owner's own, one that it may share, or none. */
  #find(wanted: ListenAddress, owner: ListenerOwner): Listener | undefined {
    for (const listener of this.#open.keys()) {
      const exactly = same(listener.address, wanted) || same(listener.wanted, wanted);
      if (exactly && listener.seats.get(owner.id)) {
        const rival = listener.seats.rival(owner);
        if (rival) throw fail("ADDRESS_TAKEN", formatAddress(wanted), rival.name, owner.name);
        return listener;
      }
      if (!overlap(listener.address, wanted)) continue;
      const rival = listener.seats.rival(owner);
      if (rival) throw fail("ADDRESS_TAKEN", formatAddress(wanted), rival.name, owner.name);
      if (same(listener.address, wanted)) return listener;
    }
    return undefined;
  }

  #add(wanted: ListenAddress, owner: ListenerOwner): Listener {
    const listener = new Listener(wanted, owner, this.#options);
    this.#open.set(listener, listener.open());
    return listener;
  }

  /** The socket of a claim, opened when nobody has; its certificate takes effect when the claim `serves`. */
  #meant(address: string, owner: ListenerOwner, serves: boolean): Listener {
    if (this.#closed) throw fail("STOPPED", "the host's listeners");
    const wanted = parseAddress(address);
    if (!wanted) throw fail("ADDRESS_UNAVAILABLE", address, "it is not host:port");
    const found = this.#find(wanted, owner);
    found?.secure(owner, serves);
    return found ?? this.#add(wanted, owner);
  }

  async #opened(listener: Listener): Promise<void> {
    try {
      await this.#open.get(listener);
    } catch (error) {
      this.#open.delete(listener);
      throw error;
    }
  }

  /** Without a `generation` it has not served yet, and holds the seat. */
  #claimOf(
    listener: Listener,
    owner: ListenerOwner,
    handler: HttpHandler,
    generation: number | undefined,
  ): ListenerClaim {
    let seat = listener.seats.take(owner);
    let served = generation;
    return {
      address: formatAddress(listener.address),
      url: listener.url + urlPath(owner),
      serve: () => {
        if (!this.#open.has(listener)) return;
        if (served === undefined) seat.holds--;
        // It may have been left meanwhile.
        seat = listener.seats.take(owner);
        served = ++seat.generation;
        listener.secure(owner, true);
        listener.seats.serve(seat, owner, handler);
      },
      release: async () => {
        if (served === undefined) {
          seat.holds--;
          served = Number.NaN;
        } else if (seat.generation === served) seat.handler = undefined;
        else return;
        await this.#leave(listener, seat);
      },
    };
  }

  /** A socket without anybody behind it closes. */
  async #leave(listener: Listener, seat: Seat): Promise<void> {
    listener.seats.leave(seat);
    if (listener.seats.empty && this.#open.has(listener)) await this.#close(listener, releaseMs);
  }

  async #close(listener: Listener, deadlineMs: number): Promise<void> {
    // The address is free for others at once, also while requests in flight finish.
    this.#open.delete(listener);
    await listener.close(deadlineMs);
  }
}

function urlPath({ route }: ListenerOwner): string {
  return route?.path === undefined || route.path === "/" ? "" : route.path;
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

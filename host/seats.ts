import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpHandler, ListenerOwner, ListenerRoute } from "../capabilities/index.ts";

/** Requests that may wait while an owner is between two handlers. */
const mostParked = 1_000;

/** An owner's place behind a socket. Its handler may change while the socket is open. */
export interface Seat {
  owner: ListenerOwner;
  /** Grows with each claim; only the lease of the last may release. */
  generation: number;
  /** Who keeps it without a handler; requests wait meanwhile. */
  holds: number;
  handler: HttpHandler | undefined;
  readonly parked: [IncomingMessage, ServerResponse][];
}

/**
 * Those who share one socket, each for its own hosts and paths. One alone, without either, gets every
 * request without a look at it.
 */
export class Seats {
  readonly #seats = new Map<string, Seat>();
  /** The most exact route first. */
  #routed: readonly Seat[] = [];
  #alone: Seat | undefined;

  /** Whoever else has what `owner` wants. */
  rival(owner: ListenerOwner): ListenerOwner | undefined {
    for (const { owner: other } of this.#seats.values()) {
      if (other.id !== owner.id && (!other.route || !owner.route || sameRoute(other.route, owner.route))) return other;
    }
    return undefined;
  }

  get(ownerId: string): Seat | undefined {
    return this.#seats.get(ownerId);
  }

  /** The owner's seat, made when it has none. */
  take(owner: ListenerOwner): Seat {
    let seat = this.#seats.get(owner.id);
    if (!seat) {
      seat = { owner, generation: 0, holds: 0, handler: undefined, parked: [] };
      this.#seats.set(owner.id, seat);
      // Behind a new socket its first owner's requests wait; others' are served as before.
      if (this.#seats.size === 1) this.#sort();
    }
    return seat;
  }

  /** Puts another handler in one step; requests that waited go to it. */
  serve(seat: Seat, owner: ListenerOwner, handler: HttpHandler): void {
    seat.owner = owner;
    seat.handler = handler;
    this.#sort();
    for (const [request, response] of seat.parked.splice(0)) handler(request, response);
  }

  /** Gives a seat up, unless somebody holds it. */
  leave(seat: Seat): void {
    if (seat.holds > 0 || seat.handler) return;
    if (this.#seats.get(seat.owner.id) === seat) this.#seats.delete(seat.owner.id);
    for (const [, response] of seat.parked.splice(0)) refuse(response);
    this.#sort();
  }

  get empty(): boolean {
    return this.#seats.size === 0;
  }

  get waiting(): number {
    let sum = 0;
    for (const { parked } of this.#seats.values()) sum += parked.length;
    return sum;
  }

  /** Refuses what waits: the socket closes. */
  close(): void {
    for (const { parked } of this.#seats.values()) for (const [, response] of parked.splice(0)) refuse(response);
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const seat = this.#alone ?? this.#find(request);
    if (!seat) notFound(response);
    else if (seat.handler) seat.handler(request, response);
    else if (seat.holds > 0 && seat.parked.length < mostParked) seat.parked.push([request, response]);
    else refuse(response);
  }

  #find({ headers, url = "/" }: IncomingMessage): Seat | undefined {
    const host = (headers.host ?? "").toLowerCase().replace(/:\d*$/, "");
    const end = url.indexOf("?");
    const path = end < 0 ? url : url.slice(0, end);
    return this.#routed.find(({ owner: { route } }) => route === undefined || fits(route, host, path));
  }

  #sort(): void {
    const all = [...this.#seats.values()];
    this.#alone = all.length === 1 && !all[0]!.owner.route ? all[0] : undefined;
    this.#routed = all.toSorted((a, b) => weight(b.owner.route) - weight(a.owner.route));
  }
}

/** A host counts more than any path, a whole host more than a domain, a longer path more than a shorter. */
function weight({ host, path }: ListenerRoute = {}): number {
  const hostWeight = host === undefined ? 0 : host.startsWith("*.") ? 1e6 + host.length * 1e4 : 1e8;
  return hostWeight + (path?.length ?? 0);
}

/** A path fits whole segments: `/shop` means `/shop` and `/shop/...`, never `/shopping`. */
function fits({ host: wantedHost, path: wanted = "/" }: ListenerRoute, host: string, path: string): boolean {
  if (wantedHost !== undefined) {
    const fitting = wantedHost.startsWith("*.") ? host.endsWith(wantedHost.slice(1)) : host === wantedHost;
    if (!fitting) return false;
  }
  if (!path.startsWith(wanted)) return false;
  return path.length === wanted.length || wanted.endsWith("/") || path[wanted.length] === "/";
}

function sameRoute(a: ListenerRoute, b: ListenerRoute): boolean {
  return a.host === b.host && (a.path ?? "/") === (b.path ?? "/");
}

function refuse(response: ServerResponse): void {
  response.writeHead(503, ["retry-after", "1", "content-length", "0", "connection", "close"]).end();
}

function notFound(response: ServerResponse): void {
  const text = "no actor answers this host and path\n";
  response.writeHead(404, ["content-type", "text/plain", "content-length", `${text.length}`]).end(text);
}

import {
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  type Server,
  ServerResponse,
  createServer,
} from "node:http";
import { type AddressInfo, type ListenOptions, type Socket, createServer as createSocketServer } from "node:net";
import { type HttpHandler, type ListenAddress, type ListenerOwner, formatAddress } from "../capabilities/index.ts";
import { describe, fail } from "../lattice/index.ts";

export interface ListenerOptions {
  /** Several engines of this host listen on one port; the system spreads connections among them. Default false. */
  readonly reusePort?: boolean;
  /** Largest request head in bytes; more is answered with 431. Default 16 KiB. */
  readonly headerBytes?: number;
  /** Longest time for a request's head to arrive, in milliseconds; then 408. Default 60 000. */
  readonly headerMs?: number;
  /** Longest time for a whole request to arrive, in milliseconds; then 408. Default 60 000. */
  readonly requestMs?: number;
  /** How long a connection may stay open without a request, in milliseconds. Default 60 000. */
  readonly idleMs?: number;
  /** Told of errors of an open socket, such as too many open files; it goes on listening. */
  readonly onError?: (text: string) => void;
}

/** Requests that may wait while a listener is between two handlers. */
const mostParked = 1_000;

/** Sockets of listeners that close: their answers say so. */
const closing = new WeakSet<Socket>();
let anyClosing = false;

/** Says `Connection: close` once its listener closes, so that no client sends into a closed connection. */
class Reply extends ServerResponse {
  override writeHead(
    status: number,
    second?: string | OutgoingHttpHeaders | OutgoingHttpHeader[],
    third?: OutgoingHttpHeaders | OutgoingHttpHeader[],
  ): this {
    if (anyClosing && this.socket && closing.has(this.socket)) this.shouldKeepAlive = false;
    return typeof second === "string" ? super.writeHead(status, second, third) : super.writeHead(status, second);
  }
}

/** One socket that listens. Its owner and handler may change while it is open. */
export class Listener {
  readonly wanted: ListenAddress;
  owner: ListenerOwner;
  /** Grows with each claim; only the lease of the last may release. */
  generation = 0;
  /** Who keeps it open without a handler; requests wait meanwhile. */
  holds = 0;
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #handler: HttpHandler | undefined;
  #parked: [IncomingMessage, ServerResponse][] = [];
  #bound: ListenAddress;
  #closed: Promise<void> | undefined;

  constructor(wanted: ListenAddress, owner: ListenerOwner, options: ListenerOptions) {
    const { headerBytes = 16 * 1024, headerMs = 60_000, requestMs = 60_000, idleMs = 60_000 } = options;
    this.wanted = wanted;
    this.owner = owner;
    this.#bound = wanted;
    this.#options = options;
    this.#server = createServer({
      ServerResponse: Reply,
      maxHeaderSize: headerBytes,
      headersTimeout: Math.min(headerMs, requestMs),
      requestTimeout: requestMs,
      keepAliveTimeout: idleMs,
      // A request without a body is no stream: 1 us of 16. The handler reads the bodies that are announced.
      optimizeEmptyRequests: true,
      connectionsCheckingInterval: Math.min(5_000, Math.max(50, Math.min(headerMs, requestMs) / 4)),
    });
    // Lines are bounded by the size of the head; a count of its own would drop some silently.
    this.#server.maxHeadersCount = 0;
    const handle = (request: IncomingMessage, response: ServerResponse) => this.#handle(request, response);
    // With a listener of its own the handler decides whether the body is wanted.
    this.#server.on("request", handle).on("checkContinue", handle);
    this.#server.on("error", (error) => options.onError?.(`${formatAddress(this.#bound)}: ${describe(error)}`));
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  get address(): ListenAddress {
    return this.#bound;
  }

  /** Where to reach it; an address that means every interface is named by this machine's own. */
  get url(): string {
    const { host, port } = this.#bound;
    const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
    return `http://${formatAddress({ host: reachable, port })}`;
  }

  /** Whether it is open without a handler. */
  get idle(): boolean {
    return this.#handler === undefined;
  }

  /** Requests that wait for a handler. */
  get waiting(): number {
    return this.#parked.length;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /**
   * Starts to listen. An address of which a port is shared is asked for alone first, since the
   * system would let another process of the same user share it too and hand it half the requests.
   * @throws LatticeError ADDRESS_UNAVAILABLE
   */
  async open(): Promise<void> {
    const { host, port } = this.wanted;
    const reusePort = this.#options.reusePort ?? false;
    try {
      if (reusePort && port !== 0 && !this.owner.joins) await probe({ host, port });
      await listen(this.#server, { host, port, reusePort });
    } catch (error) {
      throw fail("ADDRESS_UNAVAILABLE", formatAddress(this.wanted), reason(error));
    }
    this.#bound = { host, port: (this.#server.address() as AddressInfo).port };
  }

  /** Puts another handler behind the socket in one step; requests that waited go to it. */
  serve(owner: ListenerOwner, handler: HttpHandler): void {
    this.owner = owner;
    this.#handler = handler;
    for (const [request, response] of this.#parked.splice(0)) handler(request, response);
  }

  /** Takes the handler away; with `holds` requests wait for the next, else they are refused. */
  unserve(): void {
    this.#handler = undefined;
  }

  /**
   * Stops to listen, closes idle connections, lets requests in flight finish with
   * `Connection: close`, and ends what is left after `deadlineMs`. May be called again with a nearer deadline.
   */
  close(deadlineMs: number): Promise<void> {
    for (const socket of this.#sockets) closing.add(socket);
    anyClosing = true;
    for (const [, response] of this.#parked.splice(0)) refuse(response);
    this.#closed ??= new Promise((resolve) => this.#server.close(() => resolve()));
    const timer = setTimeout(() => this.#server.closeAllConnections(), Math.min(deadlineMs, 2 ** 31 - 1));
    return this.#closed.then(() => clearTimeout(timer));
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    if (this.#handler) this.#handler(request, response);
    else if (this.holds > 0 && this.#parked.length < mostParked) this.#parked.push([request, response]);
    else refuse(response);
  }
}

function refuse(response: ServerResponse): void {
  response.writeHead(503, ["retry-after", "1", "content-length", "0", "connection", "close"]).end();
}

function listen(server: Server | ReturnType<typeof createSocketServer>, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Whether this process may have the address for itself, right now. */
async function probe(address: ListenAddress): Promise<void> {
  const server = createSocketServer();
  await listen(server, { ...address, exclusive: true });
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process uses it",
  EACCES: "this user may not use that port",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "no machine has that name",
};

function reason(error: unknown): string {
  return reasons[(error as { code?: string }).code ?? ""] ?? describe(error);
}

import {
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  type Server,
  ServerResponse,
  createServer,
} from "node:http";
import { type Server as SecureServer, createServer as createSecureServer } from "node:https";
import { type AddressInfo, type ListenOptions, type Socket, createServer as createSocketServer } from "node:net";
import { type SecureContextOptions, createSecureContext } from "node:tls";
import { type ListenAddress, type ListenerOwner, formatAddress } from "../capabilities/index.ts";
import { describe, fail } from "../lattice/index.ts";
import { Seats } from "./seats.ts";

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

/** One socket that listens; `seats` says what stands behind it. */
export class Listener {
  readonly wanted: ListenAddress;
  readonly seats = new Seats();
  readonly #options: ListenerOptions;
  readonly #server: Server | SecureServer;
  readonly #secure: boolean;
  readonly #sockets = new Set<Socket>();
  readonly #joins: boolean;
  #bound: ListenAddress;
  #closed: Promise<void> | undefined;

  constructor(wanted: ListenAddress, owner: ListenerOwner, options: ListenerOptions) {
    const { headerBytes = 16 * 1024, headerMs = 60_000, requestMs = 60_000, idleMs = 60_000 } = options;
    this.wanted = wanted;
    this.#joins = owner.joins ?? false;
    this.#bound = wanted;
    this.#options = options;
    this.#secure = owner.tls !== undefined;
    const settings = {
      ServerResponse: Reply,
      maxHeaderSize: headerBytes,
      headersTimeout: Math.min(headerMs, requestMs),
      requestTimeout: requestMs,
      keepAliveTimeout: idleMs,
      // A request without a body is no stream: 1 us of 16. The handler reads the bodies that are announced.
      optimizeEmptyRequests: true,
      connectionsCheckingInterval: Math.min(5_000, Math.max(50, Math.min(headerMs, requestMs) / 4)),
    };
    this.#server = owner.tls ? createSecureServer({ ...settings, ...tlsOf(owner) }) : createServer(settings);
    // Lines are bounded by the size of the head; a count of its own would drop some silently.
    this.#server.maxHeadersCount = 0;
    const handle = (request: IncomingMessage, response: ServerResponse) => this.seats.handle(request, response);
    // With a listener of its own the handler decides whether the body is wanted.
    this.#server.on("request", handle).on("checkContinue", handle);
    // What keeps it from listening is thrown by `open`, and said once.
    this.#server.on("error", (error) => {
      if (this.#server.listening) options.onError?.(`${formatAddress(this.#bound)}: ${describe(error)}`);
    });
    // With TLS the socket that requests name is the one inside.
    this.#server.on(this.#secure ? "secureConnection" : "connection", (socket: Socket) => {
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
    return `${this.#secure ? "https" : "http"}://${formatAddress({ host: reachable, port })}`;
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
      if (reusePort && port !== 0 && !this.#joins) await probe({ host, port });
      await listen(this.#server, { host, port, reusePort });
    } catch (error) {
      throw fail("ADDRESS_UNAVAILABLE", formatAddress(this.wanted), reason(error));
    }
    this.#bound = { host, port: (this.#server.address() as AddressInfo).port };
  }

  /**
   * Takes the certificate that a claim brings when it `serves`, else only looks at it; connections that are open keep theirs.
   * @throws LatticeError ADDRESS_UNAVAILABLE when the one is with TLS and the other without.
   */
  secure(owner: ListenerOwner, serves: boolean): void {
    if ((owner.tls !== undefined) !== this.#secure) {
      const how = this.#secure ? "open with TLS" : "open without TLS";
      throw fail("ADDRESS_UNAVAILABLE", formatAddress(this.#bound), `it is ${how}; give ${owner.name} another port`);
    }
    const options = owner.tls && tlsOf(owner);
    if (options && serves) (this.#server as SecureServer).setSecureContext(options);
  }

  /**
   * Stops to listen, closes idle connections, lets requests in flight finish with
   * `Connection: close`, and ends what is left after `deadlineMs`. May be called again with a nearer deadline.
   */
  close(deadlineMs: number): Promise<void> {
    for (const socket of this.#sockets) closing.add(socket);
    anyClosing = true;
    this.seats.close();
    this.#closed ??= new Promise((resolve) => this.#server.close(() => resolve()));
    const timer = setTimeout(() => this.#server.closeAllConnections(), Math.min(deadlineMs, 2 ** 31 - 1));
    return this.#closed.then(() => clearTimeout(timer));
  }
}

/** @throws LatticeError LINK_VALUES_INVALID: no certificate, no key, or the two do not belong together. */
function tlsOf({ name, tls }: ListenerOwner): SecureContextOptions {
  const options = { cert: tls?.cert, key: tls?.key };
  try {
    createSecureContext(options);
  } catch (error) {
    throw fail("LINK_VALUES_INVALID", "the HTTP server", `the certificate and key of ${name}: ${describe(error)}`);
  }
  return options;
}

function listen(
  server: Server | SecureServer | ReturnType<typeof createSocketServer>,
  options: ListenOptions,
): Promise<void> {
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

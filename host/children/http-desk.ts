import type { IncomingMessage, ServerResponse } from "node:http";
import type { ListenerLease, ListenerOwner, Listeners } from "../../capabilities/index.ts";
import { fail } from "../../lattice/index.ts";
import type { HttpFromChild, HttpToChild, OwnerData } from "./http-messages.ts";

/** Requests that may be under way in one child. */
const mostRequests = 10_000;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** The way to the process that answers. False: it takes less than it is sent, so that a body is not sent on. */
export type TellChild = (message: HttpToChild, payload?: Uint8Array) => boolean;

/**
 * The host's listeners as a child has claimed them: sockets and connections stay here, requests go
 * over the pipe. When the process is gone they are answered with 503 until the next one has claimed.
 */
export class HttpDesk {
  readonly #leases = new Map<number, ListenerLease>();
  readonly #exchanges = new Map<number, Exchange>();
  #tell: TellChild | undefined;
  #nextId = 1;

  /** A process is there: what is claimed from now on is its. */
  open(tell: TellChild): void {
    this.#tell = tell;
  }

  async claim(listeners: Listeners, claim: number, address: string, owner: OwnerData): Promise<Uint8Array> {
    const tell = this.#tell;
    const lease = await listeners.claim(address, ownerOf(owner), (request, response) =>
      this.#take(listeners, tell, claim, request, response),
    );
    this.#leases.set(claim, lease);
    return Buffer.from(JSON.stringify({ address: lease.address, url: lease.url }));
  }

  async release(claim: number): Promise<Uint8Array> {
    const lease = this.#leases.get(claim);
    this.#leases.delete(claim);
    await lease?.release();
    return new Uint8Array(0);
  }

  /** What the child says of a request; of one that is gone nothing. */
  hear(message: Exclude<HttpFromChild, { type: "claim" | "release" }>, payload: Uint8Array): void {
    const { request, response } = this.#exchanges.get(message.id) ?? {};
    if (!request || !response) return;
    try {
      switch (message.type) {
        case "http-continue":
          return response.writeContinue();
        case "http-head": {
          const headers = [...message.headers];
          if (message.reason === null) response.writeHead(message.status, headers);
          else response.writeHead(message.status, message.reason, headers);
          return;
        }
        case "http-part":
          if (message.last) response.end(payload);
          else response.write(payload);
          return;
        case "http-end":
          request.destroy();
          return;
        default:
          return message satisfies never;
      }
    } catch {
      // What the child says cannot be told to a client.
      if (response.headersSent) response.destroy();
      else refuse(response, 502);
    }
  }

  /** The process is gone: nobody answers what it held. */
  lost(): void {
    this.#tell = undefined;
    for (const { response } of this.#exchanges.values()) {
      if (response.headersSent) response.destroy();
      else refuse(response, 503);
    }
    this.#exchanges.clear();
  }

  /** Gives up what the child has not. */
  async stop(): Promise<void> {
    this.lost();
    await Promise.all([...this.#leases.keys()].map((claim) => this.release(claim)));
  }

  #take(
    listeners: Listeners,
    tell: TellChild | undefined,
    claim: number,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    if (tell === undefined || tell !== this.#tell || this.#exchanges.size >= mostRequests) return refuse(response, 503);
    const id = this.#nextId++;
    this.#exchanges.set(id, { request, response });
    const { method = "GET", url = "/", httpVersion: version, rawHeaders: headers } = request;
    tell({ type: "http", id, claim, method, url, version, headers });
    response.on("close", () => {
      this.#exchanges.delete(id);
      if (response.writableFinished) listeners.answered(response.statusCode);
      else tell({ type: "http-gone", id });
    });
    const take = (piece: Buffer): void => {
      if (tell({ type: "http-body", id, last: false }, piece) || response.headersSent) return;
      refuse(response, 503);
      tell({ type: "http-gone", id });
      // What still comes is dropped, so that the client can read its answer.
      request.off("data", take).resume();
    };
    request.on("data", take);
    request.on("end", () => void tell({ type: "http-body", id, last: true }));
    // Its end is told by the answer's.
    request.on("error", () => {});
  }
}

/** @throws LatticeError PRECONDITION: the child did not declare that it listens. */
export function mayListen(network: boolean | undefined, address: string): void {
  if (network === true) return;
  throw fail("PRECONDITION", `${address} is not opened for a provider in a process of its own that has no network`);
}

function ownerOf({ id, name, joins, route, tls }: OwnerData): ListenerOwner {
  return { id, name, joins, ...(route ? { route } : {}), ...(tls ? { tls } : {}) };
}

function refuse(response: ServerResponse, status: 502 | 503): void {
  const retry = status === 503 ? ["retry-after", "1"] : [];
  response.writeHead(status, [...retry, "content-length", "0"]).end();
}

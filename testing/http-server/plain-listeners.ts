import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  formatAddress,
  type HttpHandler,
  type ListenerLease,
  type ListenerOwner,
  type Listeners,
  parseAddress,
} from "../../capabilities/index.ts";
import { fail } from "../../lattice/index.ts";

interface Open {
  readonly server: Server;
  readonly ready: Promise<unknown>;
  readonly owner: string;
  /** As it was asked for, and as it is. */
  readonly addresses: Set<string>;
  handler: HttpHandler;
  /** Grows with each claim: who gives up an older one leaves the socket to the newer. */
  generation: number;
}

/** A host's listeners in their plainest form: a socket of Node for each address, for one owner, without TLS. */
export class PlainListeners implements Listeners {
  readonly #open = new Set<Open>();

  answered(): void {}

  async claim(address: string, { id, name }: ListenerOwner, handler: HttpHandler): Promise<ListenerLease> {
    const held = [...this.#open].filter(({ addresses }) => addresses.has(address));
    const anyPort = parseAddress(address)?.port === 0;
    const open = held.find(({ owner }) => owner === id) ?? (anyPort ? undefined : held[0]);
    if (open && open.owner !== id) throw fail("ADDRESS_TAKEN", address, "another", name);
    return this.#leaseOf(open ?? this.#listen(address, id, handler), handler);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((open) => this.#close(open)));
  }

  async #leaseOf(open: Open, handler: HttpHandler): Promise<ListenerLease> {
    open.handler = handler;
    const generation = ++open.generation;
    await open.ready;
    const { address: host, port } = open.server.address() as AddressInfo;
    const bound = formatAddress({ host, port });
    open.addresses.add(bound);
    const release = async (): Promise<void> => {
      if (open.generation === generation) await this.#close(open);
    };
    return { address: bound, url: `http://${bound}`, release };
  }

  #listen(address: string, owner: string, handler: HttpHandler): Open {
    const at = parseAddress(address);
    if (!at) throw fail("ADDRESS_UNAVAILABLE", address, "it is not host:port");
    const server = createServer((request, response) => open.handler(request, response));
    server.listen(at.port, at.host);
    const ready = once(server, "listening");
    const open: Open = { server, ready, owner, handler, addresses: new Set([address]), generation: 0 };
    this.#open.add(open);
    return open;
  }

  async #close(open: Open): Promise<void> {
    if (!this.#open.delete(open)) return;
    const closed = once(open.server, "close");
    open.server.close();
    open.server.closeIdleConnections();
    await closed;
  }
}

import { readFile } from "node:fs/promises";
import { contractOf, describe, fail } from "../../lattice/index.ts";
import { parseAddress } from "../addresses.ts";
import type {
  HttpHandler,
  Link,
  LinkStatus,
  ListenerLease,
  Provider,
  ProviderCall,
  ProviderContext,
} from "../provider.ts";
import { Exchange } from "./exchange.ts";
import { FailureLog } from "./failure-log.ts";
import { openedValues, readSettings, type TlsFiles } from "./settings.ts";
import { type Site, Traffic } from "./site.ts";

export interface HttpServerOptions {
  /** Where a link listens that says nothing of it. Default `127.0.0.1:8000`, as the hosts before had it. */
  address?: string;
  /** Further addresses of every link, beside its own. Default none. */
  also?: readonly string[];
  /** Largest request body in bytes where the link says nothing. Default 1 MiB. */
  bodyBytes?: number;
}

/**
 * The HTTP server: a listener per link, each request one call of the linked actor. It holds no
 * state but its open links, so each engine runs one; sockets belong to the host.
 *
 * ```ts
 * await host.link(counter, await host.startProvider(httpServer()), { values: { address: "127.0.0.1:8080" } });
 * ```
 */
export function httpServer(options: HttpServerOptions = {}): Provider {
  return new HttpServer(options);
}

class HttpServer implements Provider {
  readonly contractId = contractOf("httpserver");
  readonly name = "HTTP server";
  readonly stateless = true;
  readonly #defaults: Required<HttpServerOptions>;
  readonly #sites = new Map<string, Site>();
  readonly #traffic = new Traffic();
  #context: ProviderContext | undefined;
  #failures: FailureLog | undefined;

  constructor({ address = "127.0.0.1:8000", also = [], bodyBytes = 1024 * 1024 }: HttpServerOptions) {
    if (!(bodyBytes >= 0)) throw fail("OPTION_OUT_OF_RANGE", "bodyBytes", bodyBytes, "0 or more");
    for (const each of also)
      if (!parseAddress(each)?.port)
        throw fail("OPTION_OUT_OF_RANGE", "also", each, "host:port with a port of its own");
    this.#defaults = { address, also, bodyBytes };
  }

  start(context: ProviderContext): void {
    this.#context = context;
    this.#failures = new FailureLog(context);
  }

  async putLink(link: Link): Promise<LinkStatus> {
    const context = this.#context;
    const failures = this.#failures;
    if (!context || !failures) throw fail("STOPPED", this.name);
    const settings = readSettings(link.values, this.#defaults);
    const site: Site = { link, settings, context, failures, traffic: this.#traffic, leases: [] };
    const owner = {
      id: link.id,
      name: link.linkedActor.name,
      ...(settings.route && { route: settings.route }),
      ...(settings.tls && { tls: await readPem(settings.tls) }),
    };
    const held = this.#sites.get(link.id);
    const serve: HttpHandler = (request, response) => new Exchange(site, request, response).run();
    const claim = async (address: string, joins: boolean): Promise<ListenerLease> => {
      const lease = await context.listeners.claim(address, { ...owner, joins }, serve);
      site.leases.unshift(lease);
      return lease;
    };
    try {
      for (const address of this.#defaults.also) await claim(address, settings.joinsAlso);
      const { address } = await claim(settings.address, settings.joins);
      this.#sites.set(link.id, site);
      await releaseAll(held?.leases ?? []);
      const urls = site.leases.map(({ url }) => url);
      return { urls, values: openedValues(link.values, address, this.#defaults.also) };
    } catch (error) {
      const before = new Set(held?.leases.map(({ address }) => address));
      await releaseAll(site.leases.filter(({ address }) => !before.has(address)));
      throw error;
    }
  }

  async deleteLink(link: Link): Promise<void> {
    const site = this.#sites.get(link.id);
    this.#sites.delete(link.id);
    await releaseAll(site?.leases ?? []);
  }

  handle({ contractId, operation }: ProviderCall): Uint8Array {
    throw fail("OPERATION_UNKNOWN", contractId, operation);
  }

  drain(): Promise<void> {
    return this.#traffic.drain();
  }

  async stop(): Promise<void> {
    const leases = [...this.#sites.values()].flatMap((site) => site.leases);
    this.#sites.clear();
    await releaseAll(leases);
  }
}

async function releaseAll(leases: readonly ListenerLease[]): Promise<void> {
  await Promise.all(leases.map((lease) => lease.release()));
}

async function readPem({ cert, key }: TlsFiles): Promise<TlsFiles> {
  try {
    return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
  } catch (error) {
    throw fail("LINK_VALUES_INVALID", "the HTTP server", `tls: ${describe(error)}`);
  }
}

import { readFile } from "node:fs/promises";
import { contractOf, describe, fail } from "../../lattice/index.ts";
import type { Link, LinkStatus, Provider, ProviderCall, ProviderContext } from "../provider.ts";
import { Exchange } from "./exchange.ts";
import { FailureLog } from "./failure-log.ts";
import { openedValues, readSettings, type TlsFiles } from "./settings.ts";
import { type Site, Traffic } from "./site.ts";

export interface HttpServerOptions {
  /** Where a link listens that says nothing of it. Default `127.0.0.1:8000`, as the hosts before had it. */
  address?: string;
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

  constructor({ address = "127.0.0.1:8000", bodyBytes = 1024 * 1024 }: HttpServerOptions) {
    if (!(bodyBytes >= 0)) throw fail("OPTION_OUT_OF_RANGE", "bodyBytes", bodyBytes, "0 or more");
    this.#defaults = { address, bodyBytes };
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
    const site: Site = { link, settings, context, failures, traffic: this.#traffic, lease: undefined };
    const owner = {
      id: link.id,
      name: link.linkedActor.name,
      joins: settings.joins,
      ...(settings.route && { route: settings.route }),
      ...(settings.tls && { tls: await readPem(settings.tls) }),
    };
    const held = this.#sites.get(link.id);
    site.lease = await context.listeners.claim(settings.address, owner, (request, response) =>
      new Exchange(site, request, response).run(),
    );
    this.#sites.set(link.id, site);
    if (held?.lease && held.lease !== site.lease) await held.lease.release();
    return { urls: [site.lease.url], values: openedValues(link.values, site.lease.address) };
  }

  async deleteLink(link: Link): Promise<void> {
    const site = this.#sites.get(link.id);
    this.#sites.delete(link.id);
    await site?.lease?.release();
  }

  handle({ contractId, operation }: ProviderCall): Uint8Array {
    throw fail("OPERATION_UNKNOWN", contractId, operation);
  }

  drain(): Promise<void> {
    return this.#traffic.drain();
  }

  async stop(): Promise<void> {
    const leases = [...this.#sites.values()].flatMap(({ lease }) => lease ?? []);
    this.#sites.clear();
    await Promise.all(leases.map((lease) => lease.release()));
  }
}

async function readPem({ cert, key }: TlsFiles): Promise<TlsFiles> {
  try {
    return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
  } catch (error) {
    throw fail("LINK_VALUES_INVALID", "the HTTP server", `tls: ${describe(error)}`);
  }
}

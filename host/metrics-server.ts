import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { failFrom, describe } from "../lattice/index.ts";
import { HostMetrics } from "./host-metrics.ts";
import type { HostSnapshot } from "./host-snapshot.ts";
import type { Registry } from "./metrics.ts";
import { metricsMediaType, metricsText } from "./metrics-text.ts";

export interface MetricsServerOptions {
  /** `host:port`; port 0 takes any free one. */
  readonly address: string;
  /** Asked once for each scrape; scrapes at the same time share one answer. */
  snapshot(): HostSnapshot | Promise<HostSnapshot>;
  /** Instruments beside the snapshot. */
  readonly registry?: Registry;
  /** Placements with series of their own. */
  readonly metricPlacements: number;
  /** Longest wait for a snapshot before the answer is 503. Default 5000. */
  readonly timeoutMs?: number;
}

/**
 * `/metrics` for Prometheus, `/livez` (the process turns its event loop), `/readyz` (all checks of the
 * snapshot pass). The last two answer one word, or with `?verbose` each check as JSON.
 */
export class MetricsServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #options: MetricsServerOptions;
  readonly #metrics: HostMetrics;
  #snapshot: Promise<HostSnapshot> | undefined;

  private constructor(options: MetricsServerOptions) {
    this.#options = options;
    this.#metrics = new HostMetrics(options.metricPlacements);
    this.#server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 30_000 });
    this.#server.maxConnections = 64;
    this.#server.on("request", (request, response) => void this.#answer(request, response));
  }

  /** @throws LatticeError ADDRESS_UNAVAILABLE when the system refuses the address. */
  static async start(options: MetricsServerOptions): Promise<MetricsServer> {
    const server = new MetricsServer(options);
    const colon = options.address.lastIndexOf(":");
    const host = options.address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.#server.once("error", reject);
    server.#server.listen({ host, port: Number(options.address.slice(colon + 1)) }, resolve);
    try {
      await promise;
    } catch (error) {
      throw failFrom(error, "ADDRESS_UNAVAILABLE", options.address, describe(error));
    }
    server.#server.off("error", reject);
    return server;
  }

  /** `host:port` with the real port. */
  get address(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = URL.parse(request.url ?? "/", "http://host") ?? new URL("http://host/malformed");
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      return send(response, 405, "text/plain", "only GET\n");
    }
    const verbose = searchParams.has("verbose");
    try {
      if (pathname === "/metrics") return send(response, 200, metricsMediaType, await this.#scrape());
      if (pathname === "/livez") return sendChecks(response, "live", verbose, []);
      if (pathname === "/readyz") return sendChecks(response, "ready", verbose, (await this.#read()).checks);
      return send(response, 404, "text/plain", "there are /metrics, /livez and /readyz\n");
    } catch {
      return sendChecks(response, "ready", verbose, [
        { name: "snapshot", ok: false, message: "the host does not answer" },
      ]);
    }
  }

  async #scrape(): Promise<string> {
    return metricsText([...this.#metrics.families(await this.#read()), ...(this.#options.registry?.families() ?? [])]);
  }

  async #read(): Promise<HostSnapshot> {
    this.#snapshot ??= this.#take().finally(() => {
      this.#snapshot = undefined;
    });
    return await this.#snapshot;
  }

  async #take(): Promise<HostSnapshot> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error("no snapshot in time")), this.#options.timeoutMs ?? 5_000);
    try {
      return await Promise.race([this.#options.snapshot(), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function sendChecks(
  response: ServerResponse,
  what: "live" | "ready",
  verbose: boolean,
  checks: HostSnapshot["checks"],
): void {
  const failed = checks.filter((check) => !check.ok);
  const status = failed.length === 0 ? 200 : 503;
  if (verbose)
    return send(response, status, "application/json", `${JSON.stringify({ [what]: status === 200, checks })}\n`);
  const reasons = failed.map(({ name, message }) => `${name}: ${message ?? "not ok"}\n`).join("");
  return send(response, status, "text/plain; charset=utf-8", status === 200 ? "ok\n" : reasons);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
  });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

import { setTimeout as delay } from "node:timers/promises";
import { type BusStatus, type LatticeConnection, connectNats, describe, fail, failFrom } from "../../lattice/index.ts";
import type { Health } from "../provider.ts";
import type { NatsServers } from "./servers.ts";

/** Longest wait for a server that is there, in milliseconds. */
const reachMs = 3_000;

/** One connection of a provider; links with the same servers and credentials share it. */
export class NatsConnection {
  readonly connection: LatticeConnection;
  readonly title: string;

  private constructor(title: string, connection: LatticeConnection) {
    this.title = title;
    this.connection = connection;
  }

  /**
   * Waits until it was tried at each server: a server that is there is found by the first call, one that is away
   * is no error. `report` takes a line for the provider's log.
   * @throws LatticeError LINK_VALUES_INVALID
   */
  static async open(
    { title, options }: NatsServers,
    owner: string,
    report: (text: string) => void,
  ): Promise<NatsConnection> {
    const told = Promise.withResolvers<void>();
    let untried = options.servers.length;
    const connection = await connectNats(
      { name: `wasmlattice ${owner}`, stateTimeoutMs: reachMs, ...options },
      {
        onProblem: (problem) => {
          report(`${title}: ${problem.message}`);
          if (--untried <= 0) told.resolve();
        },
        onHandlerError: (error, where) => report(`${title}: a message on ${where} failed: ${describe(error)}`),
      },
    ).catch((error: unknown) => {
      throw failFrom(error, "LINK_VALUES_INVALID", owner, describe(error));
    });
    const opened = new NatsConnection(title, connection);
    await opened.#firstAttempt(told.promise);
    return opened;
  }

  /** Why no server is reached; undefined while one is. */
  away(): string | undefined {
    const { status } = this.connection.bus;
    if (status === "connected") return undefined;
    return this.connection.describe().problem ?? "no server is reached";
  }

  /** @throws LatticeError SERVER_UNAVAILABLE, STOPPED; before anything is sent or waits. */
  check(): void {
    if (this.connection.bus.status === "closed") throw fail("STOPPED", this.title);
    const why = this.away();
    if (why !== undefined) throw fail("SERVER_UNAVAILABLE", this.title, why);
  }

  health(): Health {
    const why = this.away();
    return why === undefined ? { healthy: true } : { healthy: false, message: `${this.title}: ${why}` };
  }

  /** Resolves when the server has taken what was sent, or is away, or after a while. */
  async settled(): Promise<void> {
    const { bus } = this.connection;
    if (bus.status !== "connected") return;
    await this.#within(bus.flush());
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  async #firstAttempt(problem: Promise<unknown>): Promise<void> {
    const { bus } = this.connection;
    if (bus.status === "connected") return;
    const connected = Promise.withResolvers<void>();
    const forget = bus.onStatus((status: BusStatus) => {
      if (status === "connected") connected.resolve();
    });
    await this.#within(Promise.race([connected.promise, problem]));
    forget();
  }

  async #within(work: Promise<unknown>): Promise<void> {
    const timer = new AbortController();
    const late = delay(reachMs, undefined, { signal: timer.signal }).catch(() => {});
    await Promise.race([work.catch(() => {}), late]);
    timer.abort();
  }
}

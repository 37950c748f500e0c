import { documentOf, type Finished, Home, ready, type Running } from "./cli.ts";
import { NatsServer } from "./nats-server.ts";
import { until } from "./until.ts";

/** A real server, hosts that join it in processes of their own, and the command line that asks them from elsewhere. */
export class LatticeProcesses implements AsyncDisposable {
  readonly server: NatsServer;
  /** N keys, in the order of their start. */
  readonly hosts: string[] = [];
  readonly running: Running[] = [];
  readonly #home = new Home();
  /** Another user's, as it were: it sees no socket of the hosts. */
  readonly #elsewhere = new Home();

  private constructor(server: NatsServer) {
    this.server = server;
  }

  /** One host for each list of options. */
  static async start(...hosts: readonly (readonly string[])[]): Promise<LatticeProcesses> {
    const world = new LatticeProcesses(await NatsServer.start());
    try {
      for (const options of hosts) {
        const running = world.#home.start(["up", "--nats", world.server.url, "-o", "json", ...options]);
        world.running.push(running);
      }
      for (const running of world.running) world.hosts.push((await ready(running)).host.id);
      await until(async () => (await world.rows("hosts", "get", "hosts")).length === hosts.length);
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a command against the lattice. */
  run(...words: readonly string[]): Promise<Finished> {
    return this.#elsewhere.run(words, { env: { LATTICE_NATS: this.server.url } });
  }

  /** Runs a command that goes on. */
  start(...words: readonly string[]): Running {
    return this.#elsewhere.start(words, { env: { LATTICE_NATS: this.server.url } });
  }

  /** The answer of a command that went well. */
  async json(...words: readonly string[]): Promise<Record<string, unknown>> {
    return documentOf(await this.run(...words, "-o", "json"));
  }

  async rows(list: string, ...words: readonly string[]): Promise<Record<string, unknown>[]> {
    return (await this.json(...words))[list] as Record<string, unknown>[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#elsewhere[Symbol.asyncDispose](), this.#home[Symbol.asyncDispose]()]);
    await this.server[Symbol.asyncDispose]();
  }
}

/** Lines of JSON that a command has printed so far. */
export function linesOf(running: Running): Record<string, unknown>[] {
  const lines = running.stdout().split("\n").slice(0, -1);
  return lines.filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>);
}

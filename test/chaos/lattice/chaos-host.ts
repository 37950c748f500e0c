import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KeyPair } from "../../../lattice/index.ts";
import { type Answer, askSocket } from "../../support/ask-socket.ts";
import { Home, ready, type Running } from "../../support/cli.ts";
import { TcpProxy } from "../../support/tcp-proxy.ts";
import { until } from "../../support/until.ts";

const collector = new URL("../../support/collect-on-signal.mjs", import.meta.url).href;

/** Longest start of a host on a machine that is busy with everything else, in milliseconds. */
const startMs = 60_000;

/** One `lattice up --nats` in a process and a home of its own, on a wire of its own to the server. */
export class ChaosHost {
  readonly name: string;
  readonly wire: TcpProxy;
  readonly id: string;
  readonly #home = new Home();
  readonly #arguments: readonly string[];
  #running: Running | undefined;

  private constructor(name: string, wire: TcpProxy, clusterSeed: string) {
    this.name = name;
    this.wire = wire;
    const key = KeyPair.generate("server");
    this.id = key.publicKey;
    const file = (named: string, content: string) => {
      const path = join(this.#home.path, named);
      writeFileSync(path, content, { mode: 0o600 });
      return path;
    };
    const seeds = ["--host-seed", file("host.nk", key.seed), "--cluster-seed", file("cluster.nk", clusterSeed)];
    const place = ["--nats", wire.url, "--socket", this.#socket, "--label", `chaos=${name}`];
    this.#arguments = ["up", "-o", "json", "--engines", "1", ...place, ...seeds];
  }

  static async start(name: string, natsPort: number, clusterSeed: string): Promise<ChaosHost> {
    const host = new ChaosHost(name, await TcpProxy.to(natsPort), clusterSeed);
    await host.start();
    return host;
  }

  get pid(): number {
    return this.#running!.child.pid!;
  }

  get alive(): boolean {
    const child = this.#running?.child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  get homePath(): string {
    return this.#home.path;
  }

  /** What it has logged since it was started last. */
  get log(): string {
    return this.#running?.stderr() ?? "";
  }

  /** Again under the same key and in the same home after `kill`. @throws Error with its log when it does not come. */
  async start(): Promise<void> {
    const running = this.#home.start(this.#arguments, { env: { NODE_OPTIONS: `--import=${collector}` } });
    this.#running = running;
    const { host } = await ready(running, startMs);
    if (host.id !== this.id) throw new Error(`host ${this.name} came back as another`);
  }

  /** True when the signal is what ended it. */
  async kill(): Promise<boolean> {
    this.#running!.child.kill("SIGKILL");
    return (await this.#running!.finished).signal === "SIGKILL";
  }

  /** In order. Its exit code. */
  async stop(): Promise<number | null> {
    const { child, finished } = this.#running!;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
    const { code } = await finished;
    clearTimeout(timer);
    return code;
  }

  signal(signal: NodeJS.Signals): void {
    this.#running!.child.kill(signal);
  }

  /** As the kernel tells it: R, S, T for stopped, ... */
  get processState(): string {
    return /\) (\w) /.exec(readFileSync(`/proc/${this.pid}/stat`, "utf8"))?.[1] ?? "";
  }

  ask(verb: string, parameters: object = {}): Promise<Answer> {
    return askSocket(this.#socket, verb, parameters, startMs);
  }

  /** Whether it reaches the lattice, as it tells itself. */
  async status(): Promise<string> {
    const { lattice } = (await this.ask("describe", { target: "host" })) as { lattice: { status: string } };
    return lattice.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#home[Symbol.asyncDispose]();
    await this.wire[Symbol.asyncDispose]();
  }

  /** Bytes that it holds after garbage is collected: heap and outside of it, over all threads. */
  async heldBytes(): Promise<number> {
    this.signal("SIGUSR2");
    const { text } = await this.ask("metrics");
    const samples = [...(text as string).matchAll(/^lattice_thread_(?:heap|external)_bytes(?:\{.*\})? (\S+)$/gm)];
    return samples.reduce((sum, [, value]) => sum + Number(value), 0);
  }

  async linked(): Promise<readonly LinkRow[]> {
    return ((await this.ask("get.links")) as unknown as { links: LinkRow[] }).links;
  }

  /** The rows of one actor's placements here. */
  async placements(actor: string): Promise<readonly { revision: number; max_instances: number }[]> {
    const { actors } = (await this.ask("get.actors")) as unknown as {
      actors: { id: string; instances: { revision: number; max_instances: number }[] }[];
    };
    return actors.find(({ id }) => id === actor)?.instances ?? [];
  }

  /** Resolves when the actor runs here again. */
  async comesBack(actor: string): Promise<void> {
    await until(async () => (await this.placements(actor)).length > 0, startMs);
  }

  get #socket(): string {
    return join(this.#home.path, "s");
  }
}

export interface LinkRow {
  readonly actor_id: string;
  readonly provider_id: string;
  readonly link_name: string;
  readonly contract_id: string;
  readonly values: Readonly<Record<string, string>>;
}

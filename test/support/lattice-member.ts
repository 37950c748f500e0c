import { fileURLToPath } from "node:url";
import { type HostOptions, startHost } from "../../host/index.ts";
import { Home, ready, type Running } from "./cli.ts";

/**
 * A host in a process of its own, with whatever options, so that it can be killed. As a program:
 *   node lattice-member.ts OPTIONS   (JSON of `HostOptions`)
 * prints `{"host":{"id":...}}` once it runs, and stops at SIGTERM.
 */
export class LatticeMember implements AsyncDisposable {
  readonly #home = new Home();
  readonly #options: HostOptions;
  #running: Running | undefined;

  constructor(options: HostOptions) {
    this.#options = { logLevel: "warn", ...options, stateDirectory: this.#home.path };
  }

  /** Also after `kill`, with what was kept. Answers the host's key. */
  async start(): Promise<string> {
    const program = fileURLToPath(import.meta.url);
    this.#running = this.#home.start([JSON.stringify(this.#options)], { launcher: program });
    return (await ready(this.#running, 30_000)).host.id;
  }

  /** What it has logged since its last start. */
  get log(): string {
    return this.#running?.stderr() ?? "";
  }

  /** True when the signal is what ended it. */
  async kill(): Promise<boolean> {
    this.#running!.child.kill("SIGKILL");
    return (await this.#running!.finished).signal === "SIGKILL";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#home[Symbol.asyncDispose]();
  }
}

if (import.meta.main) {
  const host = await startHost(JSON.parse(process.argv[2] ?? "{}") as HostOptions);
  process.once("SIGTERM", () => void host.stop().finally(() => process.exit()));
  process.stdout.write(`${JSON.stringify({ host: { id: host.id } })}\n`);
}

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Answer, askSocket } from "./ask-socket.ts";
import { Home, ready, type Running } from "./cli.ts";

const collector = new URL("collect-on-signal.mjs", import.meta.url).href;

export interface HostProcessOptions {
  readonly engines?: number;
  readonly limits?: Readonly<Record<string, number>>;
}

/** What a host process holds at one moment. */
export interface Holdings {
  /** Live instances, those of the neighbours included. */
  readonly instances: number;
  /** Kernel mappings of the process. */
  readonly mappings: number;
  /** Memory outside of the heap, and the heap, over all threads. Bytes. */
  readonly external: number;
  readonly heap: number;
  readonly resident: number;
}

/** What the system gave an engine's thread so far, in milliseconds. */
export interface EngineTime {
  readonly ran: number;
  /** Ready to run, while others had the processors. */
  readonly waited: number;
}

/** A failure as the control socket tells it. */
export interface Refusal {
  readonly code: string;
  readonly kind: string;
  readonly error: string;
}

/** A real host in a process of its own, as `lattice up` starts it, asked over its control socket. */
export class HostProcess implements AsyncDisposable {
  readonly pid: number;
  readonly #home: Home;
  readonly #running: Running;
  readonly #socket: string;

  private constructor(home: Home, running: Running, socket: string) {
    this.pid = running.child.pid!;
    this.#home = home;
    this.#running = running;
    this.#socket = socket;
  }

  static async start({ engines = 1, limits = {} }: HostProcessOptions = {}): Promise<HostProcess> {
    const home = new Home();
    try {
      const socket = join(home.path, "s");
      const flags = Object.entries(limits).flatMap(([name, value]) => ["--limit", `${name}=${value}`]);
      const running = home.start(
        ["up", "--no-nats", "-o", "json", "--engines", String(engines), "--socket", socket, ...flags],
        { env: { NODE_OPTIONS: `--import=${collector}` } },
      );
      await ready(running);
      return new HostProcess(home, running, socket);
    } catch (error) {
      await home[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What it has logged. */
  get log(): string {
    return this.#running.stderr();
  }

  /** True while its process lives. */
  get alive(): boolean {
    return this.#running.child.exitCode === null && this.#running.child.signalCode === null;
  }

  /** Asks one verb. Rejects with what the host answers, a `Refusal`. */
  ask(verb: string, parameters: object = {}): Promise<Answer> {
    return askSocket(this.#socket, verb, parameters);
  }

  /** Sends a module. Answers the actor's key. */
  async startActor(name: string, bytes: Uint8Array, instances = 4): Promise<string> {
    const { actor } = await this.ask("start.actor", {
      reference: name,
      bytes: Buffer.from(bytes).toString("base64"),
      instances,
    });
    return (actor as { id: string }).id;
  }

  /** Links an actor and answers the URLs it is reached at. */
  async link(
    actor: string,
    provider: string,
    values: Readonly<Record<string, string>> = {},
  ): Promise<readonly string[]> {
    const { urls } = await this.ask("link.put", { actor, provider, values });
    return urls as string[];
  }

  /** Rejects with a `Refusal`. */
  async call(target: string, operation: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const encoded = Buffer.from(payload).toString("base64");
    const parameters = { target, operation, payload: encoded, timeoutMs };
    const { payload: reply } = await askSocket(this.#socket, "call", parameters, timeoutMs + 30_000);
    return Buffer.from(reply as string, "base64");
  }

  /** The samples of one metric, by their labels as they are written. */
  async metric(name: string): Promise<ReadonlyMap<string, number>> {
    const { text } = await this.ask("metrics");
    const samples = (text as string).matchAll(/^(\w+)(\{.*\})? (\S+)$/gm);
    return new Map(
      [...samples].flatMap(([, of, labels = "", value]) => (of === name ? [[labels, Number(value)]] : [])),
    );
  }

  /** Collects garbage in every thread and looks. */
  async holdings(): Promise<Holdings> {
    process.kill(this.pid, "SIGUSR2");
    const sum = async (name: string) => [...(await this.metric(name)).values()].reduce((a, b) => a + b, 0);
    return {
      instances: await sum("lattice_instances"),
      external: await sum("lattice_thread_external_bytes"),
      heap: await sum("lattice_thread_heap_bytes"),
      resident: await sum("process_resident_memory_bytes"),
      mappings: readFileSync(`/proc/${this.pid}/maps`, "utf8").split("\n").length,
    };
  }

  /** Of engine 0, by the kernel's account. */
  engineTime(): EngineTime {
    const tasks = `/proc/${this.pid}/task`;
    const engine = readdirSync(tasks).find((id) => readFileSync(`${tasks}/${id}/comm`, "utf8").startsWith("engine-0"));
    const [ran = 0, waited = 0] = readFileSync(`${tasks}/${engine}/schedstat`, "utf8").split(" ").map(Number);
    return { ran: ran / 1e6, waited: waited / 1e6 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running.child.kill("SIGTERM");
    const timer = setTimeout(() => this.#running.child.kill("SIGKILL"), 5_000);
    await this.#running.finished;
    clearTimeout(timer);
    await this.#home[Symbol.asyncDispose]();
  }
}

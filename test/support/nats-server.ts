import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

export interface NatsServerOptions {
  /** Default true. */
  readonly jetStream?: boolean;
  /** JetStream domain. */
  readonly domain?: string;
  /** More of its configuration file: authorization, tls, leafnodes, cluster, max_payload... */
  readonly config?: string;
  /** Default a free one. */
  readonly port?: number;
  /** Cluster and JetStream clusters need one. */
  readonly name?: string;
}

/** Where the real server is: the variable NATS_SERVER, else PATH, else where packages put it. */
export function findNatsServer(): string | undefined {
  const override = process.env.NATS_SERVER;
  if (override !== undefined && override !== "") return override;
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, "nats-server")).find(executable);
}

/** `test` with a real server at hand: skipped loudly without one, failed when CI=true. */
export function natsTest(title: string, body: () => Promise<void>): void {
  void test(title, { skip: natsSkip() }, body);
}

/** Why tests that need a server are skipped; false when there is one. @throws Error when CI=true and there is none. */
export function natsSkip(): string | false {
  if (findNatsServer() !== undefined) return false;
  const why = "no nats-server: put it on PATH, or its path into NATS_SERVER";
  if (process.env.CI === "true") throw new Error(why);
  return why;
}

/** A real nats-server on 127.0.0.1 with a store of its own in a temporary folder. */
export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #options: NatsServerOptions;
  #child: ChildProcess | undefined;
  #log = "";

  private constructor(port: number, folder: string, options: NatsServerOptions) {
    this.port = port;
    this.#folder = folder;
    this.#options = options;
  }

  static async start(options: NatsServerOptions = {}): Promise<NatsServer> {
    const port = options.port ?? (await freePort());
    const folder = mkdtempSync(join(tmpdir(), "lattice-nats-"));
    const server = new NatsServer(port, folder, options);
    server.configure(options.config);
    try {
      await server.run();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  get log(): string {
    return this.#log;
  }

  get #config(): string {
    return join(this.#folder, "server.conf");
  }

  /** A file beside its configuration, for certificates and the like. */
  file(name: string, content: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, content);
    return path;
  }

  /** Replaces `config`; it counts from the next `run`, or from SIGHUP as far as the server reads it then. */
  configure(config = ""): void {
    const { jetStream = true, domain, name } = this.#options;
    const inDomain = domain === undefined ? "" : `, domain: ${domain}`;
    const lines = [
      `listen: "127.0.0.1:${this.port}"`,
      ...(name === undefined ? [] : [`server_name: ${name}`]),
      ...(jetStream ? [`jetstream { store_dir: "${join(this.#folder, "store")}"${inDomain} }`] : []),
      config,
    ];
    writeFileSync(this.#config, lines.join("\n"));
  }

  /** Starts it, again on the same port and store after `stop` or `kill`. */
  async run(): Promise<void> {
    const binary = findNatsServer();
    if (binary === undefined) throw new Error("no nats-server");
    const child = spawn(binary, ["-c", this.#config], { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#log += text));
    const ended = new Promise<never>((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`nats-server ended with ${code}: ${this.#log.slice(-2_000)}`)));
    });
    ended.catch(() => {});
    await Promise.race([ended, until(() => this.#answers())]);
  }

  /** In order, as an operator would. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Remembers what its store holds. While it is stopped. */
  keepStore(): void {
    cpSync(join(this.#folder, "store"), join(this.#folder, "kept"), { recursive: true });
  }

  /** Its store as it was at `keepStore`, as after a loss of power or from a backup. While it is stopped. */
  bringBackStore(): void {
    rmSync(join(this.#folder, "store"), { recursive: true });
    cpSync(join(this.#folder, "kept"), join(this.#folder, "store"), { recursive: true });
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.run();
  }

  /** SIGUSR2: lame duck. SIGSTOP and SIGCONT: silence. SIGHUP: configuration read again. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
    });
    child.kill(signal);
    await ended;
  }

  /** A NATS server greets with INFO as soon as it is reached. */
  async #answers(): Promise<boolean> {
    return await new Promise((resolve) => {
      const socket = connect(this.port, "127.0.0.1");
      const settle = (greeted: boolean): void => {
        socket.destroy();
        resolve(greeted);
      };
      socket.once("data", (data) => settle(data.toString("latin1").startsWith("INFO")));
      socket.once("error", () => settle(false));
      socket.once("close", () => resolve(false));
    });
  }
}

/** Members of one cluster, with JetStream when asked; each rolls for itself. */
export async function startNatsCluster(count: number, { jetStream = true, config = "" } = {}): Promise<NatsServer[]> {
  const routes = await Promise.all(Array.from({ length: count }, freePort));
  const urls = routes.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
  const started = await Promise.allSettled(
    routes.map((port, index) =>
      NatsServer.start({
        name: `n${index}`,
        jetStream,
        config: `cluster { name: c, listen: "127.0.0.1:${port}", routes: [${urls}] }\n${config}`,
      }),
    ),
  );
  const servers = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  if (servers.length === count) return servers;
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
  throw new Error("the cluster did not start");
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

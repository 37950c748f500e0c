import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

const servers = {
  "redis-server": (port: number, folder: string) =>
    `--port ${port} --bind 127.0.0.1 --save  --appendonly no --dir ${folder}`.split(" "),
  "nats-server": (port: number, folder: string) => ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder],
};

export type ServerName = keyof typeof servers;

function find(name: ServerName): string | undefined {
  const override = process.env[name.toUpperCase().replace("-", "_")];
  if (override !== undefined && override !== "") return override;
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, name)).find(executable);
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Why tests that need the server are skipped; false when there is one. @throws Error when CI=true and there is none. */
export function skipWithout(name: ServerName): string | false {
  if (find(name) !== undefined) return false;
  const why = `no ${name}: put it on PATH, or its path into ${name.toUpperCase().replace("-", "_")}`;
  if (process.env["CI"] === "true") throw new Error(why);
  return why;
}

/** A real server of stores on a free port of 127.0.0.1, with a folder of its own; it can be killed and come back. */
export class StoreServer implements AsyncDisposable {
  readonly port: number;
  readonly #name: ServerName;
  readonly #more: readonly string[];
  readonly #folder: string;
  #child: ChildProcess | undefined;

  private constructor(name: ServerName, port: number, more: readonly string[]) {
    this.#name = name;
    this.port = port;
    this.#more = more;
    this.#folder = mkdtempSync(join(tmpdir(), `lattice-${name}-`));
  }

  static async start(name: ServerName, more: readonly string[] = []): Promise<StoreServer> {
    const server = new StoreServer(name, await freePort(), more);
    await server.start();
    return server;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** Again on the same port after `kill`. */
  async start(): Promise<void> {
    const binary = find(this.#name);
    if (binary === undefined) throw new Error(`no ${this.#name}`);
    const args = [...servers[this.#name](this.port, this.#folder), ...this.#more];
    const child = spawn(binary, args, { stdio: "ignore" });
    this.#child = child;
    await until(() => {
      if (child.exitCode !== null) throw new Error(`${this.#name} ended with ${child.exitCode}`);
      return answers(this.port);
    }, 10_000);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

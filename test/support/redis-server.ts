import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { until } from "./until.ts";

/** Where the real server is: the variable REDIS_SERVER, else PATH, else where packages put it. */
function find(): string | undefined {
  const override = process.env["REDIS_SERVER"];
  if (override !== undefined && override !== "") return override;
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, "redis-server")).find(executable);
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
export function redisSkip(): string | false {
  if (find() !== undefined) return false;
  const why = "no redis-server: put it on PATH, or its path into REDIS_SERVER";
  if (process.env["CI"] === "true") throw new Error(why);
  return why;
}

/** A real Redis on a free port of 127.0.0.1 that keeps nothing on disk; it can be killed and come back. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #more: readonly string[];
  readonly #folder = mkdtempSync(join(tmpdir(), "lattice-redis-"));
  #child: ChildProcess | undefined;

  private constructor(port: number, more: readonly string[]) {
    this.port = port;
    this.#more = more;
  }

  static async start(more: readonly string[] = []): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), more);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** Again on the same port after `kill`. */
  async start(): Promise<void> {
    const binary = find();
    if (binary === undefined) throw new Error("no redis-server");
    const fixed = `--port ${this.port} --bind 127.0.0.1 --appendonly no --dir ${this.#folder} --save`;
    const child = spawn(binary, [...fixed.split(" "), "", ...this.#more], { stdio: "ignore" });
    this.#child = child;
    await until(() => {
      if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
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

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

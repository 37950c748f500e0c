import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./until.ts";

export const checkout = fileURLToPath(new URL("../..", import.meta.url));
export const launcher = join(checkout, "cli", "lattice.mjs");

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `lattice` with what it printed so far. */
export interface Running {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly finished: Promise<Finished>;
}

/** A home of its own, so that no test sees the keys, hosts or settings of another, or of this user. */
export class Home implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), "lat-"));
  readonly env: NodeJS.ProcessEnv;
  readonly #started = new Set<ChildProcess>();

  constructor() {
    this.env = {
      PATH: process.env.PATH,
      HOME: this.path,
      XDG_RUNTIME_DIR: this.path,
      XDG_STATE_HOME: join(this.path, "state"),
      XDG_CONFIG_HOME: join(this.path, "config"),
      // Compiled code is the same for all homes.
      XDG_CACHE_HOME: process.env.XDG_CACHE_HOME ?? join(tmpdir(), "lattice-test-cache"),
    };
  }

  /** Runs a command to its end; its standard input holds `input`, or nothing. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const running = this.start(args, options);
    running.child.stdin?.end(options.input ?? "");
    return running.finished;
  }

  start(
    args: readonly string[],
    { env = {}, node = process.execPath, cwd = this.path, launcher: start = launcher }: RunOptions = {},
  ): Running {
    const child = spawn(node, [start, ...args], { cwd, env: { ...this.env, ...env }, stdio: "pipe" });
    this.#started.add(child);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const finished = new Promise<Finished>((resolve) => {
      child.on("close", (code, signal) => {
        this.#started.delete(child);
        resolve({ code, signal, stdout, stderr });
      });
    });
    return { child, stdout: () => stdout, stderr: () => stderr, finished };
  }

  /** Ends what still runs and removes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#started) child.kill("SIGKILL");
    await until(() => this.#started.size === 0);
    rmSync(this.path, { recursive: true, force: true });
  }
}

interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Uint8Array;
  readonly node?: string;
  readonly cwd?: string;
  /** Default the checkout's. */
  readonly launcher?: string;
}

/** What a program reads on stderr after a failure: its last line. */
export function failureOf(finished: Finished): Record<string, unknown> {
  const line = finished.stderr.trim().split("\n").at(-1) ?? "";
  return JSON.parse(line) as Record<string, unknown>;
}

/** What `run` and `up` print with `-o json`. */
export interface Ready {
  readonly success: boolean;
  readonly host: { readonly id: string };
  readonly actors: readonly { id: string; name: string; image_ref: string; era: string; urls: string[] }[];
  readonly providers: readonly { id: string; contract_id: string; link_name: string; name: string }[];
  readonly links: readonly Record<string, string>[];
}

/** The first line of stdout, once it is there. */
export async function ready(running: Running, timeoutMs = 60_000): Promise<Ready> {
  const line = await until(() => {
    if (running.child.exitCode !== null) throw new Error(running.stderr());
    return running.stdout().includes("\n") && running.stdout().split("\n")[0];
  }, timeoutMs);
  return JSON.parse(line) as Ready;
}

/** The document of a command that went well. */
export function documentOf(finished: Finished): Record<string, unknown> {
  if (finished.code !== 0) throw new Error(finished.stderr);
  return JSON.parse(finished.stdout) as Record<string, unknown>;
}

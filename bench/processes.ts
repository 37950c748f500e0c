import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Longest wait for a process to say that it is ready, unless it is told otherwise. */
const longestStartMs = 60_000;

/** Folders of their own for settings, state and sockets: a bench touches nothing of the user's. */
const home = mkdtempSync(join(tmpdir(), "lattice-bench-"));
process.once("exit", () => rmSync(home, { recursive: true, force: true }));
export const benchEnvironment: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(LATTICE|WASH|WASMCLOUD|NATS)_/.test(name))),
  HOME: home,
  XDG_CONFIG_HOME: join(home, "config"),
  XDG_STATE_HOME: join(home, "state"),
  XDG_CACHE_HOME: join(home, "cache"),
  XDG_RUNTIME_DIR: home,
};

/** The repository's file, by its path from the top. */
export function repositoryFile(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

/** A child of the bench. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  /** Its first line on standard output, read as JSON: it is ready then. */
  readonly ready: Record<string, unknown>;
  /** Milliseconds from its start to that line. */
  readonly readyMs: number;
  readonly child: ChildProcess;
}

/** Starts Node, this same one, and waits for its first line. @throws Error with what it said when it ends first. */
export async function startNode(args: readonly string[], startMs: number = longestStartMs): Promise<Running> {
  const begin = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"], env: benchEnvironment });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 3_000);
    await ended;
    clearTimeout(timer);
  };
  const first = await new Promise<string>((resolve, reject) => {
    const broken = (why: string) => reject(new Error(`${args.join(" ")}: ${why}: ${said.trim()}`));
    const timer = setTimeout(() => broken(`not ready after ${startMs} ms`), startMs);
    createInterface(child.stdout).once("line", (line) => {
      clearTimeout(timer);
      resolve(line);
    });
    child.once("error", (error) => broken(error.message));
    void ended.then(() => broken("it ended"));
  }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const took = performance.now() - begin;
  child.stdout.resume();
  const ready = JSON.parse(first) as Record<string, unknown>;
  return { pid: child.pid!, ready, readyMs: took, child, [Symbol.asyncDispose]: stop };
}

/** `lattice run` in a process of its own; `urls` are those of the first actor. */
export async function latticeRun(files: readonly string[], options: readonly string[] = []) {
  const args = [repositoryFile("cli/lattice.mjs"), "run", ...files, "--port", "0", "-o", "json", ...options];
  const running = await startNode(args);
  const { actors } = running.ready as { actors: readonly { id: string; urls: readonly string[] }[] };
  return { ...running, actors, url: actors[0]?.urls[0] ?? "" };
}

/** Resident memory of a process in MB. @throws Error where the system does not tell. */
export function residentMb(pid: number): number {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    if (kib !== undefined) return Number(kib) / 1_024;
  } catch {
    // No /proc here.
  }
  const { stdout } = spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" });
  const kib = Number(stdout);
  if (!(kib > 0)) throw new Error("neither /proc nor ps tells the memory of a process");
  return kib / 1_024;
}

/** Whether a command is on the PATH. */
export function hasCommand(name: string): boolean {
  return !spawnSync(name, ["--version"], { stdio: "ignore" }).error;
}

import { type ChildProcess, spawn } from "node:child_process";
import { dirname } from "node:path";
import type { Duplex, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, fail, type LatticeError } from "../../lattice/index.ts";
import { threadEntry } from "../thread-entry.ts";
import { type ChildAnswer, Conversation } from "./conversation.ts";
import { Guardian } from "./guardian.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { OutputLines } from "./output-lines.ts";
import type { ProviderRun, RunHooks } from "./provider-run.ts";
import type { Request, ToChild } from "./messages.ts";
import { type ChildReach, permissionFlags } from "./permissions.ts";
import { endText, killGroup } from "./process-group.ts";

export interface ChildLimits {
  /** JavaScript heap in MiB. The whole process may take 192 MiB more before it is ended. Default 128. */
  readonly memoryMiB?: number;
  /** Longest wait for its module to load, in milliseconds. Default 10 000. */
  readonly loadMs?: number;
  /** Longest wait for its orderly end, in milliseconds; then it is killed. Default 2 000. */
  readonly stopMs?: number;
  /** Largest payload or reply, in bytes. Default 64 MiB. */
  readonly payloadBytes?: number;
}

/** What the process may take beside its JavaScript heap: Node itself, buffers, code. */
const besideHeapMiB = 192;
/** How long a process may live on without its pipe, in milliseconds. */
const endingMs = 200;

/**
 * One child process: started under Node's permissions in a group of its own, watched by the guardian, asked
 * over a pipe, ended with everything it started. When it dies, all that waits for it fails with PROVIDER_GONE
 * at once, and so does whatever is asked later.
 */
export class ChildRun implements ProviderRun {
  readonly #limits: Required<ChildLimits>;
  readonly #hooks: RunHooks;
  readonly #process: ChildProcess;
  readonly #talk: Conversation;
  readonly #memory: MemoryWatch;
  readonly #exited: Promise<void>;
  /** Its last error text: why one that never came up did not. */
  #lastWords = "";
  #stopping = false;

  private constructor(name: string, child: ChildProcess, limits: Required<ChildLimits>, hooks: RunHooks) {
    this.#process = child;
    this.#limits = limits;
    this.#hooks = hooks;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#exited = promise;
    child.once("exit", (code, signal) => {
      this.#lost(endText(code, signal));
      // What it started may live on.
      killGroup(this.#process);
      Guardian.shared.release(child.pid ?? 0);
      resolve();
    });
    this.#talk = new Conversation(name, child.stdio[3] as Duplex, limits.payloadBytes, {
      onMessage: (message, payload) => hooks.onMessage(message, payload),
      onNonsense: (reason) => this.#end(reason),
      // Mostly because it has ended, and then how it ended is the better reason.
      onClosed: (reason) => void setTimeout(() => this.#end(reason), endingMs).unref(),
    });
    for (const stream of ["stdout", "stderr"] as const) {
      const lines = new OutputLines((line) => {
        if (stream === "stderr" && /^\w*Error\b/.test(line)) this.#lastWords = `: ${line.slice(0, 500)}`;
        hooks.onLine(stream, line);
      });
      (child[stream] as Readable).on("data", (bytes: Buffer) => lines.write(bytes)).on("end", () => lines.flush());
    }
    this.#memory = new MemoryWatch(child.pid ?? 0, (limits.memoryMiB + besideHeapMiB) * 1024 * 1024, (bytes) =>
      this.#end(`it used ${Math.round(bytes / 1024 / 1024)} MiB of memory`),
    );
  }

  /**
   * Starts a child for `module` and waits until the guardian has it.
   * @throws LatticeError PROVIDER_GONE when no process comes up, PRECONDITION without a shell to guard it.
   */
  static async start(
    module: string,
    permissions: ChildReach,
    limits: Required<ChildLimits>,
    hooks: RunHooks,
  ): Promise<ChildRun> {
    const flags = [...permissionFlags(module, permissions), `--max-old-space-size=${limits.memoryMiB}`];
    const entry = fileURLToPath(threadEntry(import.meta.url, "child-main"));
    const child = spawn(process.execPath, [...flags, entry, module], {
      cwd: dirname(module),
      // A group of its own, which ends as one.
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: cleanEnvironment(),
    });
    const { promise: failed, reject } = Promise.withResolvers<never>();
    failed.catch(() => {});
    child.once("error", (error) => reject(fail("PROVIDER_GONE", module, describe(error))));
    if (child.pid === undefined) return failed;
    const run = new ChildRun(module, child, limits, hooks);
    try {
      await Promise.race([Guardian.shared.watch(child.pid), failed]);
    } catch (error) {
      killGroup(child);
      throw error;
    }
    return run;
  }

  get name(): string {
    return this.#talk.name;
  }

  set name(name: string) {
    this.#talk.name = name;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get gone(): LatticeError | undefined {
    return this.#talk.gone;
  }

  get full(): boolean {
    return this.#talk.full;
  }

  get nextId(): number {
    return this.#talk.nextId;
  }

  ask(request: Request, payload: Uint8Array | undefined, ms: number): Promise<ChildAnswer> {
    return this.#talk.ask(request, payload, ms);
  }

  tell(message: Exclude<ToChild, Request>, payload?: Uint8Array): void {
    this.#talk.tell(message, payload);
  }

  async stop(): Promise<void> {
    if (!this.#stopping && !this.gone) {
      this.#stopping = true;
      const { stopMs } = this.#limits;
      const killing = setTimeout(() => killGroup(this.#process), stopMs);
      await this.ask({ type: "stop" }, undefined, stopMs).catch(() => {});
      await this.#exited;
      clearTimeout(killing);
    }
    await this.#exited;
  }

  /** Ends a child that can no longer be spoken to. */
  #end(reason: string): void {
    this.#lost(reason);
    killGroup(this.#process);
  }

  #lost(reason: string): void {
    const gone = this.#talk.end(this.#stopping ? "it has stopped" : `${reason}${this.#lastWords}`);
    if (!gone) return;
    this.#memory.stop();
    if (!this.#stopping) this.#hooks.onGone(gone);
  }
}

/** No secret of the host, nothing that changes what Node does; where the clock and the certificates are. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = ["TZ", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR"];
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

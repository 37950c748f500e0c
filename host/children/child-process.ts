import { type ChildProcess, spawn } from "node:child_process";
import { dirname } from "node:path";
import type { Duplex, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, fail, fromWire, type LatticeError, type WireError } from "../../lattice/index.ts";
import { threadEntry } from "../thread-entry.ts";
import { Channel } from "./channel.ts";
import { Guardian } from "./guardian.ts";
import { isHttpFromChild } from "./http-messages.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { OutputLines } from "./output-lines.ts";
import type { FromChild, Request, ToChild } from "./messages.ts";
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

export interface ChildHooks {
  /** What the child says without being asked. */
  onMessage(message: Exclude<FromChild, { type: "done" | "failed" }>, payload: Uint8Array): void;
  /** A line of its standard output or error. */
  onLine(stream: "stdout" | "stderr", line: string): void;
  /** Once, when it ended without having been asked to. */
  onGone(error: LatticeError): void;
}

/** What an answer brings: the result, and the bytes beside it. */
export interface ChildAnswer {
  readonly result: unknown;
  readonly payload: Uint8Array;
}

interface Waiting {
  readonly resolve: (answer: ChildAnswer) => void;
  readonly reject: (error: Error) => void;
  /** Of `performance.now()`. */
  readonly deadline: number;
  readonly ms: number;
}

/** What the process may take beside its JavaScript heap: Node itself, buffers, code. */
const besideHeapMiB = 192;
/** How long a process may live on without its pipe, in milliseconds. */
const endingMs = 200;
const headBytes = 1024 * 1024;
/** What a child that reads nothing may make this process keep. */
const maxWaitingBytes = 32 * 1024 * 1024;
const maxWaiting = 100_000;

/**
 * One child process: started under Node's permissions in a group of its own, watched by the guardian, asked
 * over a pipe, ended with everything it started. When it dies, all that waits for it fails with PROVIDER_GONE
 * at once, and so does whatever is asked later.
 */
export class ChildRun {
  /** What errors call it. */
  name: string;
  readonly #limits: Required<ChildLimits>;
  readonly #hooks: ChildHooks;
  readonly #process: ChildProcess;
  readonly #channel: Channel;
  readonly #memory: MemoryWatch;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  readonly #sweep: NodeJS.Timeout;
  #gone: LatticeError | undefined;
  /** Its last error text: why one that never came up did not. */
  #lastWords = "";
  #stopping = false;
  #nextId = 1;

  private constructor(name: string, child: ChildProcess, limits: Required<ChildLimits>, hooks: ChildHooks) {
    this.name = name;
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
    this.#channel = new Channel(child.stdio[3] as Duplex, limits.payloadBytes + headBytes, {
      onMessage: (message, payload) => this.#receive(message, payload),
      // Mostly because it has ended, and then how it ended is the better reason.
      onEnd: (reason) => void setTimeout(() => this.#end(reason), endingMs).unref(),
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
    this.#sweep = setInterval(() => this.#forgetLate(), 1_000).unref();
  }

  /**
   * Starts a child for `module` and waits until the guardian has it.
   * @throws LatticeError PROVIDER_GONE when no process comes up, PRECONDITION without a shell to guard it.
   */
  static async start(
    module: string,
    permissions: ChildReach,
    limits: Required<ChildLimits>,
    hooks: ChildHooks,
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

  /** Of its process, for tests and `describe`. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Why nothing can be asked any more. */
  get gone(): LatticeError | undefined {
    return this.#gone;
  }

  /**
   * Asks and waits, `ms` at most.
   * @throws LatticeError PROVIDER_GONE, QUEUE_FULL, DEADLINE_EXCEEDED; what the provider threw.
   */
  ask(request: Request, payload: Uint8Array | undefined, ms: number): Promise<ChildAnswer> {
    if (this.#gone) return Promise.reject(this.#gone);
    if (this.#waiting.size >= maxWaiting || this.#channel.waitingBytes > maxWaitingBytes)
      return Promise.reject(fail("QUEUE_FULL", this.name, this.#waiting.size));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, deadline: performance.now() + ms, ms });
      this.#channel.send({ ...request, id }, payload);
    });
  }

  /** The id that the next `ask` gets. */
  get nextId(): number {
    return this.#nextId;
  }

  tell(message: Exclude<ToChild, Request>, payload?: Uint8Array): void {
    this.#channel.send(message, payload);
  }

  /** Asks it to stop; whoever does not within `stopMs` is killed. May be called twice. */
  async stop(): Promise<void> {
    if (!this.#stopping && !this.#gone) {
      this.#stopping = true;
      const { stopMs } = this.#limits;
      const killing = setTimeout(() => killGroup(this.#process), stopMs);
      await this.ask({ type: "stop" }, undefined, stopMs).catch(() => {});
      await this.#exited;
      clearTimeout(killing);
    }
    await this.#exited;
  }

  #receive(message: unknown, payload: Uint8Array): void {
    if (!isFromChild(message)) return this.#end("it sent a message of no known form");
    if (message.type !== "done" && message.type !== "failed") return this.#hooks.onMessage(message, payload);
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    this.#waiting.delete(message.id);
    if (message.type === "done") return waiting.resolve({ result: message.result, payload });
    const { error } = message;
    waiting.reject("wire" in error ? fromWire(error.wire) : new Error(error.text));
  }

  /** Ends a child that can no longer be spoken to. */
  #end(reason: string): void {
    this.#lost(reason);
    killGroup(this.#process);
  }

  #lost(reason: string): void {
    if (this.#gone) return;
    this.#gone = fail("PROVIDER_GONE", this.name, this.#stopping ? "it has stopped" : `${reason}${this.#lastWords}`);
    clearInterval(this.#sweep);
    this.#memory.stop();
    this.#channel.close();
    for (const { reject } of this.#waiting.values()) reject(this.#gone);
    this.#waiting.clear();
    if (!this.#stopping) this.#hooks.onGone(this.#gone);
  }

  /** Who asked has given up at the deadline; a child that hangs must not make this process remember for ever. */
  #forgetLate(): void {
    const now = performance.now();
    for (const [id, { deadline, ms, reject }] of this.#waiting) {
      if (deadline > now) continue;
      this.#waiting.delete(id);
      reject(fail("DEADLINE_EXCEEDED", this.name, Math.round(ms)));
    }
  }
}

/** No secret of the host, nothing that changes what Node does; where the clock and the certificates are. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = ["TZ", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR"];
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

function isFromChild(value: unknown): value is FromChild {
  if (typeof value !== "object" || value === null) return false;
  const { type, id, error, linkId, operation, timeoutMs, cause, level, text, record } = value as Record<
    string,
    unknown
  >;
  switch (type) {
    case "done":
      return typeof id === "number";
    case "failed":
      return typeof id === "number" && isChildError(error);
    case "invoke":
      return (
        typeof id === "number" &&
        typeof linkId === "string" &&
        typeof operation === "string" &&
        (timeoutMs === null || Number.isFinite(timeoutMs)) &&
        (cause === null || isCause(cause))
      );
    case "log":
      return isLevel(level) && typeof text === "string";
    case "actor-log":
      return typeof id === "number" && typeof record === "object" && record !== null;
    default:
      return isHttpFromChild(value as Record<string, unknown>);
  }
}

function isCause(cause: unknown): boolean {
  if (typeof cause !== "object" || cause === null) return false;
  const { id, hops, budgetMs } = cause as Record<string, unknown>;
  return typeof id === "number" && Number.isFinite(hops) && Number.isFinite(budgetMs);
}

function isChildError(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  if ("text" in error) return typeof error.text === "string";
  const wire = "wire" in error ? (error.wire as Partial<WireError> | null) : null;
  return typeof wire?.code === "string" && typeof wire.message === "string";
}

function isLevel(level: unknown): boolean {
  return level === "debug" || level === "info" || level === "warn" || level === "error";
}

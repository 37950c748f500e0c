import { MessageChannel, Worker } from "node:worker_threads";
import { describe, type LatticeError, threadArguments, threadEnvironment } from "../../lattice/index.ts";
import { Heart } from "../heart.ts";
import { threadEntry } from "../thread-entry.ts";
import { type ChildAnswer, Conversation } from "./conversation.ts";
import type { Request, ToChild } from "./messages.ts";
import { OutputLines } from "./output-lines.ts";
import { PortStream } from "./port-stream.ts";
import type { ProviderRun, RunHooks } from "./provider-run.ts";
import { stepText } from "./provider-step.ts";
import type { ProviderThreadData } from "./thread-main.ts";

export interface ThreadLimits {
  /** Silence after which its thread is ended, in milliseconds: work in one piece may take as long. Default 3 000. */
  readonly silenceMs?: number;
  /** JavaScript heap in MiB. Default: what Node gives a thread. */
  readonly memoryMiB?: number;
  /** Longest wait for its module to load, in milliseconds. Default 10 000. */
  readonly loadMs?: number;
  /** Longest wait for its orderly end, in milliseconds; then the thread is ended. Default 2 000. */
  readonly stopMs?: number;
  /** Largest payload or reply, in bytes. Default 64 MiB. */
  readonly payloadBytes?: number;
}

export type CompiledThreadLimits = Required<Omit<ThreadLimits, "memoryMiB">> & Pick<ThreadLimits, "memoryMiB">;

/** Longest time between two looks at the heartbeat, in milliseconds. */
const lookMs = 250;
/** Silence by which a thread that does not answer is known to be busy, in milliseconds: two looks. */
const busyMs = 2 * lookMs;

/**
 * One thread with a provider's module: asked over a port, heard by its heartbeat. One that hangs is ended from
 * outside, which works in the middle of an endless loop too. Whatever way it ends, all that waits for it fails with
 * PROVIDER_GONE at once, and so does whatever is asked later.
 */
export class ThreadRun implements ProviderRun {
  readonly #limits: CompiledThreadLimits;
  readonly #hooks: RunHooks;
  readonly #worker: Worker;
  readonly #talk: Conversation;
  readonly #heart = new Heart();
  readonly #exited: Promise<void>;
  readonly #look: NodeJS.Timeout;
  #loaded = false;
  #stopping = false;

  constructor(path: string, limits: CompiledThreadLimits, hooks: RunHooks) {
    this.#limits = limits;
    this.#hooks = hooks;
    const { port1, port2 } = new MessageChannel();
    const { memoryMiB } = limits;
    this.#worker = new Worker(threadEntry(import.meta.url, "thread-main"), {
      workerData: { port: port2, heart: this.#heart.shared } satisfies ProviderThreadData,
      transferList: [port2],
      name: `provider ${path}`,
      env: threadEnvironment(),
      stdout: true,
      stderr: true,
      ...(memoryMiB === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: memoryMiB } }),
      ...threadArguments(),
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#exited = promise;
    this.#worker.on("error", (error) => this.#lost(`it failed: ${describe(error)}`));
    this.#worker.once("exit", (code) => {
      this.#lost(`its thread exited with code ${code}`);
      resolve();
    });
    this.#talk = new Conversation(path, new PortStream(port1), limits.payloadBytes, {
      onMessage: (message, payload) => hooks.onMessage(message, payload),
      onNonsense: (reason) => this.#end(reason),
      // The end of the thread closes it, and tells why in a moment.
      onClosed: () => {},
    });
    for (const stream of ["stdout", "stderr"] as const) {
      const lines = new OutputLines((line) => hooks.onLine(stream, line));
      this.#worker[stream].on("data", (bytes: Buffer) => lines.write(bytes)).on("end", () => lines.flush());
    }
    this.#look = setInterval(() => this.#listen(), Math.min(lookMs, limits.silenceMs / 4)).unref();
  }

  get name(): string {
    return this.#talk.name;
  }

  set name(name: string) {
    this.#talk.name = name;
  }

  get gone(): LatticeError | undefined {
    return this.#talk.gone;
  }

  get busy(): boolean {
    return this.#heart.quietMs(performance.now()) >= busyMs;
  }

  get nextId(): number {
    return this.#talk.nextId;
  }

  ask(request: Request, payload: Uint8Array | undefined, ms: number): Promise<ChildAnswer> {
    // Until then `loadMs` bounds it: a module may be large.
    if (request.type === "start") this.#loaded = true;
    return this.#talk.ask(request, payload, ms);
  }

  tell(message: Exclude<ToChild, Request>, payload?: Uint8Array): void {
    this.#talk.tell(message, payload);
  }

  async stop(): Promise<void> {
    if (!this.#stopping && !this.gone) {
      this.#stopping = true;
      const { stopMs } = this.#limits;
      const ending = setTimeout(() => void this.#worker.terminate(), stopMs);
      await this.ask({ type: "stop" }, undefined, stopMs).catch(() => {});
      await this.#exited;
      clearTimeout(ending);
    }
    await this.#exited;
  }

  #listen(): void {
    const silentMs = this.#heart.silentMs(performance.now());
    if (!this.#loaded || silentMs < this.#limits.silenceMs) return;
    this.#end(`its thread answered no heartbeat for ${Math.round(silentMs)} ms, in ${stepText(this.#heart.step)}`);
  }

  /** Ends a thread that can no longer be spoken to. */
  #end(reason: string): void {
    this.#lost(reason);
    void this.#worker.terminate();
  }

  #lost(reason: string): void {
    const gone = this.#talk.end(this.#stopping ? "it has stopped" : reason);
    if (!gone) return;
    clearInterval(this.#look);
    if (!this.#stopping) this.#hooks.onGone(gone);
  }
}

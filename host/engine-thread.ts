import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { LinkStatus } from "../capabilities/index.ts";
import {
  fail,
  fromWire,
  type LatticeError,
  threadArguments,
  threadEnvironment,
  type VerifiedInvocation,
} from "../lattice/index.ts";
import type {
  ActorLogLine,
  EngineChange,
  EngineResult,
  EngineStats,
  FromEngine,
  Place,
  ToEngine,
} from "./engine-messages.ts";
import type { Course } from "./course.ts";
import type { EngineWorkerData } from "./engine-worker.ts";
import type { EngineHandle } from "./engine.ts";
import type { ProviderAnswer, ProviderNews, ProviderQuestion } from "./provider-questions.ts";
import type { SpyBatch } from "./spy.ts";
import { threadEntry } from "./thread-entry.ts";
import { Wire } from "./wire.ts";

export interface EngineThreadHooks {
  onLog(lines: readonly ActorLogLine[]): void;
  onNews(news: ProviderNews): void;
  onSpied(batch: SpyBatch): void;
  onReport(level: "debug" | "info" | "warn" | "error", text: string, fields?: Record<string, unknown>): void;
  /** Calls that this engine sends to the supervisor's thread. */
  answer(invocation: VerifiedInvocation, away: boolean, course?: Course): Promise<Uint8Array>;
}

type Request = ToEngine extends infer M ? (M extends { requestId: number } ? Omit<M, "requestId"> : never) : never;

/** An engine in a thread of its own, as the supervisor holds it. All that waits fails when the thread ends. */
export class EngineThread implements EngineHandle {
  readonly place: Place;
  readonly worker: Worker;
  readonly ready: Promise<void>;
  /** The wire between the supervisor's thread and this engine. */
  readonly wire: Wire;
  readonly #waiting = new Map<number, { resolve(result: EngineResult): void; reject(error: LatticeError): void }>();
  #nextRequest = 1;
  #gone = false;

  constructor(data: EngineWorkerData, callerPlace: Place, hooks: EngineThreadHooks) {
    this.place = data.place;
    this.worker = new Worker(threadEntry(import.meta.url, "engine-worker"), {
      workerData: data,
      transferList: data.policyPort ? [data.policyPort] : [],
      name: `engine-${data.place}`,
      env: threadEnvironment(),
      ...threadArguments(),
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    promise.catch(() => {});
    this.worker.on("message", (message: FromEngine) => {
      switch (message.type) {
        case "ready":
          return resolve();
        case "done":
          return this.#take(message.requestId)?.resolve(message.result);
        case "failed":
          return this.#take(message.requestId)?.reject(fromWire(message.error));
        case "spied":
          return hooks.onSpied(message.batch);
        case "log":
          return hooks.onLog(message.lines);
        case "report":
          return hooks.onReport(message.level, message.text, message.fields);
        case "provider-news":
          return hooks.onNews(message.news);
        default:
          return message satisfies never;
      }
    });
    this.worker.on("error", (error) =>
      hooks.onReport("error", `engine ${this.place} failed: ${error instanceof Error ? error.message : "unknown"}`),
    );
    this.worker.once("exit", () => {
      this.#gone = true;
      const lost = fail("ENGINE_LOST", String(this.place));
      reject(lost);
      for (const waiting of this.#waiting.values()) waiting.reject(lost);
      this.#waiting.clear();
      this.wire.close();
    });
    const { port1, port2 } = new MessageChannel();
    this.wire = new Wire(port1, this.place, (invocation, away, course) => hooks.answer(invocation, away, course));
    this.connect(callerPlace, port2);
  }

  /** False as soon as the thread is on its way out; its end is told later. */
  get open(): boolean {
    return !this.#gone && this.wire.open;
  }

  /** Gives the engine its end of a wire to another place. */
  connect(place: Place, port: MessagePort): void {
    this.#post({ type: "peer", place, port }, [port]);
  }

  async apply(change: EngineChange): Promise<LinkStatus | undefined> {
    const result = await this.#ask({ type: "change", change });
    return result && !("place" in result) && !("answer" in result) ? result : undefined;
  }

  async ask(question: ProviderQuestion): Promise<ProviderAnswer | undefined> {
    const result = await this.#ask({ type: "ask-provider", question });
    return result && "answer" in result ? result : undefined;
  }

  invoke(invocation: VerifiedInvocation, course?: Course): Promise<Uint8Array> {
    return this.wire.invoke(invocation, course);
  }

  async stats(): Promise<EngineStats> {
    const result = await this.#ask({ type: "stats" });
    if (result && "place" in result) return result;
    throw fail("ENGINE_LOST", String(this.place));
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#ask({ type: "drain", deadlineMs });
  }

  async stop(): Promise<void> {
    if (!this.#gone) await this.#ask({ type: "stop" }).catch(() => {});
    await this.worker.terminate();
  }

  #ask(request: Request): Promise<EngineResult> {
    if (this.#gone) return Promise.reject(fail("ENGINE_LOST", String(this.place)));
    const requestId = this.#nextRequest++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(requestId, { resolve, reject });
      this.#post({ ...request, requestId });
    });
  }

  #post(message: ToEngine, transfer: readonly MessagePort[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  #take(requestId: number) {
    const waiting = this.#waiting.get(requestId);
    this.#waiting.delete(requestId);
    return waiting;
  }
}

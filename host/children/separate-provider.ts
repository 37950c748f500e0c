import { isDeepStrictEqual } from "node:util";
import type { Health, Link, LinkStatus, Provider, ProviderCall, ProviderContext } from "../../capabilities/index.ts";
import { describe, fail, type LatticeError } from "../../lattice/index.ts";
import { within } from "../deadlines.ts";
import { copiesOver } from "./child-copy.ts";
import type { Unasked } from "./conversation.ts";
import { HttpDesk } from "./http-desk.ts";
import type { FromChild, Introduction, Opened, Request } from "./messages.ts";
import type { ProviderRun, RunHooks } from "./provider-run.ts";
import { actorData, asLattice, introduction, linkData, linkStatus, logRecord, traceOf } from "./plain-data.ts";

/** Longest wait for a word on its health, in milliseconds. */
const healthMs = 1_000;
/** Longest steps that bound themselves elsewhere: the host gives up sooner. */
const stepMs = 3_600_000;

export interface SeparateOptions {
  /** Given to the module's function, when its default export is one. */
  readonly settings?: unknown;
  /** In place of `settings`: the configuration, that of the last start. */
  readonly config?: Readonly<Record<string, string>>;
  readonly alone?: boolean;
  readonly loadMs: number;
  readonly onGone?: (error: LatticeError) => void;
}

/**
 * The host's end of a provider whose module runs elsewhere, in a process or a thread of its own: a provider like any
 * other to whoever holds it. When it dies, calls in flight and later ones fail with PROVIDER_GONE and `health` says
 * why; `stop` and `start` bring another one up.
 */
export abstract class SeparateProvider implements Provider {
  readonly restartable = true;
  /** Of its module. */
  protected readonly path: string;
  readonly #options: SeparateOptions;
  #config: Readonly<Record<string, string>> | undefined;
  readonly #links = new Map<string, Link>();
  /** Those in flight by id, for what the provider asks on their behalf. */
  readonly #calls = new Map<number, ProviderCall>();
  /** By link id; "" is that of the provider's own configuration. */
  readonly #storeNames = new Map<string, string>();
  readonly #http = new HttpDesk();
  #about: Introduction = { contractId: "", name: "", key: null, members: [] };
  #run: ProviderRun | undefined;
  #context: ProviderContext | undefined;
  #early: { readonly level: "info" | "warn" | "error"; readonly text: string }[] = [];

  constructor(path: string, options: SeparateOptions) {
    this.path = path;
    this.#options = options;
    this.#config = options.config;
  }

  /** Brings up what the module is to be loaded in. */
  protected abstract open(hooks: RunHooks): Promise<ProviderRun>;

  /** Whether it may claim a listener. @throws LatticeError when it may not. */
  protected mayListen(_address: string): void {}

  get contractId(): string {
    return this.#about.contractId;
  }

  get name(): string {
    return this.#about.name;
  }

  get key(): string | undefined {
    return this.#about.key ?? undefined;
  }

  /** Of its process; undefined while there is none. */
  get pid(): number | undefined {
    return this.#run === undefined || this.#run.gone ? undefined : this.#run.pid;
  }

  /** Brings it up and loads the module in it. */
  async load(): Promise<void> {
    const run: ProviderRun = await this.open({
      onMessage: (message, payload) => this.#hear(run, message, payload),
      onLine: (stream, line) => this.#log(stream === "stderr" ? "warn" : "info", `${this.name || this.path}: ${line}`),
      onGone: (error) => this.#lost(error),
    });
    this.#run = run;
    this.#http.open((message, payload) => {
      if (message.type === "http-body" && !message.last && run.full) return false;
      run.tell(message, payload);
      return true;
    });
    const { loadMs, alone = false } = this.#options;
    try {
      const settings = (this.#config ? { ...this.#config } : this.#options.settings) ?? null;
      const loading = run.ask({ type: "load", module: this.path, settings, alone }, undefined, loadMs);
      const { result } = await within(loading, loadMs, `loading ${this.path}`);
      this.#about = introduction(result, this.path);
      run.name = this.name;
      const { members } = this.#about;
      const copies = copiesOver(
        (request) => this.#ask(request),
        members,
        (link) => this.#storeNames.get(link?.id ?? "") ?? "",
      );
      Object.assign(this, copies);
    } catch (error) {
      await run.stop();
      throw error;
    }
  }

  async start(context: ProviderContext): Promise<void> {
    this.#context = context;
    if (this.#config) this.#config = context.config;
    for (const { level, text } of this.#early.splice(0)) context.log(level, text);
    if (this.#run === undefined || this.#run.gone) await this.load();
    const run = this.#live();
    context.signal.addEventListener("abort", () => run.tell({ type: "abort" }), { once: true });
    const { key, linkName, config } = context;
    const { storeName } = await this.#ask<Opened>({ type: "start", key, linkName, config: { ...config } });
    this.#nameStore("", storeName);
  }

  async putLink(link: Link): Promise<void | LinkStatus> {
    const before = this.#links.get(link.id);
    this.#links.set(link.id, link);
    try {
      const sent = linkData(link);
      const { status, storeName } = await this.#ask<Opened>({ type: "put-link", link: sent });
      // Until now it did not hold the link, so that what changed meanwhile found nothing.
      if (!isDeepStrictEqual(sent.linkedActor, actorData(link.linkedActor))) this.actorChanged(link);
      this.#nameStore(link.id, storeName);
      return linkStatus(status);
    } catch (error) {
      if (before) this.#links.set(link.id, before);
      else this.#links.delete(link.id);
      throw error;
    }
  }

  /** What runs elsewhere has a copy of it, and encodes for the era that stands there. */
  actorChanged({ id, linkedActor }: Link): void {
    if (this.#run && !this.#run.gone) this.#run.tell({ type: "actor", linkId: id, actor: actorData(linkedActor) });
  }

  async deleteLink(link: Link): Promise<void> {
    // What is gone holds no link.
    if (this.#run === undefined || this.#run.gone) return this.#dropLink(link.id);
    await this.#run.ask({ type: "delete-link", linkId: link.id }, undefined, stepMs);
    this.#dropLink(link.id);
  }

  #dropLink(id: string): void {
    this.#links.delete(id);
    this.#storeNames.delete(id);
  }

  handle(call: ProviderCall): Promise<Uint8Array> {
    const run = this.#live();
    const { contractId, operation, payload, linkName, origin, era, link, deadline, hops, trace } = call;
    const id = run.nextId;
    const budgetMs = deadline - performance.now();
    return new Promise((resolve, reject) => {
      this.#calls.set(id, call);
      const request = {
        type: "call" as const,
        contractId,
        operation,
        linkName,
        linkId: link.id,
        origin,
        era,
        budgetMs,
        hops,
        trace: trace ?? null,
      };
      run.ask(request, payload, budgetMs).then(
        (answer) => {
          this.#calls.delete(id);
          resolve(answer.payload);
        },
        (error: unknown) => {
          this.#calls.delete(id);
          reject(error);
        },
      );
    });
  }

  async health(): Promise<Health> {
    if (this.#run === undefined || this.#run.gone) {
      return { healthy: false, message: describe(this.#run?.gone ?? fail("STOPPED", this.name)) };
    }
    const run = this.#run;
    const asked = within(run.ask({ type: "health" }, undefined, healthMs), healthMs, `health of ${this.name}`);
    const answer = await asked.catch((error: unknown) => {
      // Its heartbeat decides how long it may be, and that alone.
      if (run.busy) return { result: { healthy: true } };
      throw error;
    });
    const { healthy, message } = (answer.result ?? {}) as { healthy?: unknown; message?: unknown };
    return { healthy: healthy === true, ...(typeof message === "string" ? { message } : {}) };
  }

  async drain(): Promise<void> {
    if (this.#run === undefined || this.#run.gone) return;
    await this.#run.ask({ type: "drain" }, undefined, stepMs);
  }

  async stop(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    this.#links.clear();
    await run?.stop();
    await this.#http.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #ask<T>(request: Request): Promise<T> {
    const { result } = await this.#live().ask(request, undefined, stepMs);
    return result as T;
  }

  #nameStore(linkId: string, name: unknown): void {
    if (typeof name === "string") this.#storeNames.set(linkId, name);
  }

  #live(): ProviderRun {
    const run = this.#run;
    if (run === undefined) throw fail("STOPPED", this.name);
    if (run.gone) throw run.gone;
    return run;
  }

  #lost(error: LatticeError): void {
    this.#http.lost();
    this.#log("error", error.message);
    this.#options.onGone?.(error);
  }

  #hear(run: ProviderRun, message: Unasked, payload: Uint8Array): void {
    switch (message.type) {
      case "log":
        return this.#context?.log(message.level, message.text, message.fields ?? undefined);
      case "actor-log": {
        const call = this.#calls.get(message.id);
        const record = logRecord(message.record);
        if (call && record) this.#context?.writeActorLog(call, record);
        return undefined;
      }
      case "invoke":
        return this.#settle(run, message.id, message.operation, this.#invoke(message, payload));
      case "claim":
        return this.#settle(run, message.id, "claim", this.#claim(message));
      case "release":
        return this.#settle(run, message.id, "release", this.#http.release(message.claim));
      case "http-continue":
      case "http-head":
      case "http-part":
      case "http-end":
        return this.#http.hear(message, payload);
      default:
        return message satisfies never;
    }
  }

  #settle(run: ProviderRun, id: number, operation: string, work: Promise<Uint8Array>): void {
    work.then(
      (reply) => run.tell({ type: "invoked", id }, reply),
      (error: unknown) => run.tell({ type: "invoke-failed", id, error: asLattice(error, operation).toWire() }),
    );
  }

  async #claim({ id, address, owner }: Extract<FromChild, { type: "claim" }>): Promise<Uint8Array> {
    this.mayListen(address);
    if (!this.#context) throw fail("STOPPED", this.name);
    return this.#http.claim(this.#context.listeners, id, address, owner);
  }

  async #invoke(message: Extract<FromChild, { type: "invoke" }>, payload: Uint8Array): Promise<Uint8Array> {
    const { linkId, operation, timeoutMs, cause } = message;
    const link = this.#links.get(linkId);
    if (!link || !this.#context) throw fail("LINK_ABSENT", this.name, this.contractId, linkId);
    if (message.era !== link.linkedActor.era) {
      // It was sent before the update was heard of there; it is told once more, in case that went amiss.
      this.actorChanged(link);
      throw fail("ERA_CHANGED", link.linkedActor.name);
    }
    const trace = traceOf(message.trace);
    return this.#context.invoke(link, operation, payload, {
      ...(timeoutMs === null ? {} : { timeoutMs }),
      ...(trace ? { trace } : {}),
      ...(cause ? { cause: this.#causeOf(cause, link, operation) } : {}),
    });
  }

  /** The call in flight; one that is answered already still counts its hops. */
  #causeOf(
    { id, hops, budgetMs }: { readonly id: number; readonly hops: number; readonly budgetMs: number },
    link: Link,
    operation: string,
  ): ProviderCall {
    const { contractId, linkName, linkedActor, actor } = link;
    return (
      this.#calls.get(id) ?? {
        contractId,
        operation,
        payload: new Uint8Array(0),
        linkName,
        origin: { kind: "actor", key: actor, name: linkedActor.name, placement: "", era: linkedActor.era },
        era: linkedActor.era,
        link,
        deadline: performance.now() + budgetMs,
        hops: Math.max(0, hops),
        trace: undefined,
      }
    );
  }

  /** What it says before it is started is told then; the first lines of it. */
  #log(level: "info" | "warn" | "error", text: string): void {
    if (this.#context) this.#context.log(level, text);
    else if (this.#early.length < 100) this.#early.push({ level, text });
  }
}

import type { Duplex } from "node:stream";
import type {
  HttpHandler,
  InvokeOptions,
  Link,
  ListenerLease,
  ListenerOwner,
  Provider,
  ProviderCall,
  ProviderContext,
} from "../../capabilities/index.ts";
import { describe, fail, fromWire, isLatticeError } from "../../lattice/index.ts";
import { Channel } from "./channel.ts";
import { CopyDesk, copyMembers } from "./child-copy.ts";
import { HttpSide } from "./http-side.ts";
import type { ChildError, FromChild, Introduction, Opened, Request, ToChild } from "./messages.ts";
import { importAlone } from "./own-imports.ts";
import { loadProvider } from "./provider-module.ts";
import { stepNumber } from "./provider-step.ts";

/** What a host may send at most; it bounds payloads itself. */
const maxFrameBytes = 2 ** 31;
/** A provider whose host is gone has this long to close what it holds; the guardian ends it soon after. */
const lastWordMs = 500;

const callStep = stepNumber("call");

interface Waiting {
  resolve(reply: Uint8Array): void;
  reject(error: Error): void;
}

/** The provider's side of the pipe or port: does for one provider what an engine does for those that it runs. */
export class ChildSide {
  readonly #channel: Channel;
  readonly #exit: () => void;
  readonly #enter: (step: number) => void;
  readonly #abort = new AbortController();
  readonly #links = new Map<string, Link>();
  readonly #invoking = new Map<number, Waiting>();
  /** Ids of calls in flight, by the object that the provider got. */
  readonly #calls = new WeakMap<ProviderCall, number>();
  readonly #copies = new CopyDesk();
  readonly #http = new HttpSide((message, payload) => this.#send(message, payload));
  #provider: Provider | undefined;
  #nextInvoke = 1;

  /** `exit` ends the process or thread. `enter` is told which step of the provider has this thread, by `stepNumber`; 0 for none. */
  constructor(pipe: Duplex, exit: () => void, enter: (step: number) => void = () => {}) {
    this.#exit = exit;
    this.#enter = enter;
    this.#channel = new Channel(pipe, maxFrameBytes, {
      onMessage: (message, payload) => this.#receive(message as ToChild, payload),
      onEnd: () => void this.#hostGone(),
    });
  }

  report(level: "warn" | "error", text: string, error: unknown): void {
    this.#send({ type: "log", level, text: `${text}: ${describe(error)}`, fields: null });
  }

  #receive(message: ToChild, payload: Uint8Array): void {
    switch (message.type) {
      case "abort":
        return this.#abort.abort();
      case "actor": {
        const link = this.#links.get(message.linkId);
        return void (link && Object.assign(link.linkedActor, message.actor));
      }
      case "invoked":
        return this.#settle(message.id)?.resolve(payload);
      case "invoke-failed":
        return this.#settle(message.id)?.reject(fromWire(message.error));
      case "http":
      case "http-body":
      case "http-gone":
        return this.#http.receive(message, payload);
      case "call":
        return this.#call(message, payload);
      case "load":
      case "start":
      case "put-link":
      case "delete-link":
      case "export":
      case "import":
      case "count":
      case "clear":
      case "health":
      case "drain":
      case "stop":
        return void this.#answer(message);
      default:
        message satisfies never;
    }
  }

  /** Not async: most providers answer at once, and each promise costs. */
  #call(message: Extract<ToChild, { type: "call" }>, payload: Uint8Array): void {
    const { id, contractId, operation, linkName, origin, era, hops, trace } = message;
    const link = this.#links.get(message.linkId);
    if (!link || !this.#provider) return this.#failed(id, fail("LINK_ABSENT", "the caller", contractId, linkName));
    if (link.linkedActor.era !== era) (link.linkedActor as { era: string }).era = era;
    const deadline = performance.now() + message.budgetMs;
    const call: ProviderCall = {
      contractId,
      operation,
      payload,
      linkName,
      origin,
      era,
      link,
      deadline,
      hops,
      trace: trace ?? undefined,
    };
    this.#calls.set(call, id);
    this.#enter(callStep);
    try {
      const answer: unknown = this.#provider.handle(call);
      if (answer instanceof Uint8Array) return this.#done(id, null, answer);
      Promise.resolve(answer).then(
        (reply: unknown) => {
          if (reply instanceof Uint8Array) this.#done(id, null, reply);
          else this.#failed(id, fail("REPLY_MALFORMED", this.#provider!.name, operation, "a provider answers bytes"));
        },
        (error: unknown) => this.#failed(id, error),
      );
    } catch (error) {
      this.#failed(id, error);
    } finally {
      this.#enter(0);
    }
  }

  async #answer(request: Exclude<Request, { type: "call" }> & { readonly id: number }): Promise<void> {
    try {
      this.#enter(stepNumber(request.type));
      const work = this.#do(request);
      this.#enter(0);
      this.#done(request.id, await work);
    } catch (error) {
      this.#failed(request.id, error);
    }
    if (request.type === "stop") setImmediate(this.#exit);
  }

  async #do(request: Exclude<Request, { type: "call" }>): Promise<unknown> {
    switch (request.type) {
      case "load": {
        if (request.alone) importAlone(request.module);
        const provider = (this.#provider = await loadProvider(request.module, request.settings ?? undefined));
        const { contractId, name, key } = provider;
        const members = copyMembers.filter((member) => provider[member] !== undefined);
        return { contractId, name, key: key ?? null, members } satisfies Introduction;
      }
      case "start":
        await this.#provider?.start?.(this.#context(request));
        return this.#opened(undefined, undefined);
      case "put-link": {
        const { link } = request;
        const status = await this.#provider?.putLink?.(link);
        this.#links.set(link.id, link);
        return this.#opened(status, link);
      }
      case "delete-link": {
        const link = this.#links.get(request.linkId);
        this.#links.delete(request.linkId);
        return link && this.#provider?.deleteLink?.(link);
      }
      case "export":
      case "import":
      case "count":
      case "clear":
        return this.#copies.answer(request, this.#provider!, this.#links.get(request.linkId));
      case "health":
        return (await this.#provider?.health?.()) ?? { healthy: true };
      case "drain":
        return this.#provider?.drain?.();
      case "stop":
        this.#abort.abort();
        return this.#provider?.stop?.();
      default:
        return request satisfies never;
    }
  }

  #opened(status: unknown, link: Link | undefined): Opened {
    return { status: status ?? null, storeName: this.#provider?.storeName?.(link) ?? null };
  }

  #context({ key, linkName, config }: Extract<Request, { type: "start" }>): ProviderContext {
    return {
      key,
      linkName,
      config,
      signal: this.#abort.signal,
      listeners: {
        claim: (address, owner, handler) => this.#claim(address, owner, handler),
        // The host counts what it sends.
        answered: () => {},
      },
      invoke: (link, operation, payload, options) => this.#invoke(link, operation, payload, options),
      writeActorLog: (call, record) => {
        const id = this.#calls.get(call);
        if (id !== undefined) this.#send({ type: "actor-log", id, record });
      },
      log: (level, text, fields) => this.#send({ type: "log", level, text, fields: plain(fields) }),
    };
  }

  #invoke(
    link: Link,
    operation: string,
    payload: Uint8Array,
    { timeoutMs, trace, cause }: InvokeOptions = {},
  ): Promise<Uint8Array> {
    const id = this.#nextInvoke++;
    return new Promise((resolve, reject) => {
      this.#invoking.set(id, { resolve, reject });
      const asked = cause && {
        id: this.#calls.get(cause) ?? 0,
        hops: cause.hops,
        budgetMs: cause.deadline - performance.now(),
      };
      this.#send(
        {
          type: "invoke",
          id,
          linkId: link.id,
          era: link.linkedActor.era,
          operation,
          timeoutMs: timeoutMs ?? null,
          trace: trace ?? cause?.trace ?? null,
          cause: asked ?? null,
        },
        payload,
      );
    });
  }

  async #claim(address: string, owner: ListenerOwner, handler: HttpHandler): Promise<ListenerLease> {
    const { id: ownerId, name, joins = false, route = null, tls = null } = owner;
    const claim = this.#nextInvoke++;
    // A request may be here before the answer.
    this.#http.serve(claim, handler);
    const data = { id: ownerId, name, joins, route: route && { ...route }, tls: tls && { ...tls } };
    const reply = await this.#told(claim, { type: "claim", id: claim, address, owner: data });
    const { address: bound, url } = JSON.parse(Buffer.from(reply).toString()) as Omit<ListenerLease, "release">;
    return {
      address: bound,
      url,
      release: async () => {
        const id = this.#nextInvoke++;
        await this.#told(id, { type: "release", id, claim });
        this.#http.forget(claim);
      },
    };
  }

  /** Sends what the host answers under `id`. */
  #told(id: number, message: FromChild): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#invoking.set(id, { resolve, reject });
      this.#send(message);
    });
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#invoking.get(id);
    this.#invoking.delete(id);
    return waiting;
  }

  #done(id: number, result: unknown, reply?: Uint8Array): void {
    this.#send({ type: "done", id, result: result ?? null }, reply);
  }

  #failed(id: number, error: unknown): void {
    this.#send({ type: "failed", id, error: asChildError(error) });
  }

  #send(message: FromChild, payload?: Uint8Array): void {
    this.#channel.send(message, payload);
  }

  async #hostGone(): Promise<void> {
    setTimeout(this.#exit, lastWordMs);
    this.#abort.abort();
    try {
      await this.#provider?.stop?.();
    } finally {
      this.#exit();
    }
  }
}

/** As JSON has it, so that no value in a log line can spoil the frame. */
function plain(fields: Record<string, unknown> | undefined): Record<string, unknown> | null {
  if (fields === undefined) return null;
  try {
    return JSON.parse(JSON.stringify(fields)) as Record<string, unknown>;
  } catch {
    return null;
  }
}

/** Also an error of the catalogue that came from another copy of this package. */
function asChildError(error: unknown): ChildError {
  if (isLatticeError(error)) return { wire: error.toWire() };
  return { text: describe(error) };
}

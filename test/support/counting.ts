import { pack, unpack } from "msgpackr";
import type { ActorHandle, Host } from "../../index.ts";
import { calling } from "./actors.ts";

const contract = "wasmcloud:keyvalue";

export interface CountingOptions {
  readonly actors: readonly ActorHandle[];
  /** Callers at once for each actor. */
  readonly callers: number;
  /** Keys over which each actor spreads its increments. */
  readonly keys: number;
  /** What each caller rests after a call, in milliseconds; without it the load takes all that the machine has. */
  readonly restMs?: number;
  /** Told how long each took, in milliseconds. */
  readonly onTime?: (ms: number) => void;
}

/**
 * Actors that count in their store all the time, and know what must stand there: every increment is
 * one call of an actor, which calls its store.
 */
export class Counting {
  /** Increments that were answered with a number. */
  done = 0;
  /** Other answers, the first few of them. */
  readonly wrong: string[] = [];
  errors = 0;
  readonly #host: Host;
  readonly #options: CountingOptions;
  readonly #expected = new Map<string, number>();
  readonly #callers: Promise<void>;
  #stopped = false;

  constructor(host: Host, options: CountingOptions) {
    this.#host = host;
    this.#options = options;
    const { actors, callers } = options;
    this.#callers = Promise.all(
      actors.flatMap((actor, at) => Array.from({ length: callers }, (_, caller) => this.#count(actor, at, caller))),
    ).then(() => {});
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#callers;
  }

  /** Keys that hold another number than they must, as text; asked of the store through the actors. */
  async differences(): Promise<string[]> {
    const [actor] = this.#options.actors;
    const found: string[] = [];
    for (const [key, expected] of this.#expected) {
      const reply = await this.#host.call(actor!, "Call", calling(contract, "Get", pack({ key })));
      const { value } = unpack(reply) as { value: string };
      if (value !== String(expected)) found.push(`${key} holds ${value}, ${expected} were counted`);
    }
    return found;
  }

  async #count(actor: ActorHandle, at: number, caller: number): Promise<void> {
    const { keys, onTime, restMs } = this.#options;
    // All actors count in the same keys.
    const names = Array.from({ length: keys }, (_, key) => `count-${key}`);
    const payloads = names.map((key) => calling(contract, "KeyValue.Increment", pack({ key, value: 1 })));
    for (let turn = at * 7 + caller; !this.#stopped; turn++) {
      const key = turn % keys;
      const since = performance.now();
      try {
        const reply = await this.#host.call(actor, "Call", payloads[key]!);
        if (typeof read(reply) !== "number") throw new Error(Buffer.from(reply).toString("latin1"));
        this.done++;
        this.#expected.set(names[key]!, (this.#expected.get(names[key]!) ?? 0) + 1);
        onTime?.(performance.now() - since);
      } catch (error) {
        this.errors++;
        if (this.wrong.length < 10) this.wrong.push(String(error));
      }
      if (restMs !== undefined) await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  }
}

function read(reply: Uint8Array): unknown {
  try {
    return unpack(reply);
  } catch {
    return undefined;
  }
}

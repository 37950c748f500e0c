import { createHash } from "node:crypto";
import {
  type BusHeaders,
  type BusMessage,
  fail,
  isLatticeError,
  type LatticeConnection,
  nuid,
  type Subjects,
  wholeReply,
} from "../lattice/index.ts";
import { type Document, type HostClient, jobHeader, parseAnswer, unwrap } from "./client.ts";

/** Stands on the last answer of a stream, and on the only one of other verbs. */
const endHeader = "Lattice-End";
/** Stands on messages that only ask whether somebody still listens. */
const aliveHeader = "Lattice-Alive";
/** Starting something may fetch it first. */
const usualTimeoutMs = 60_000;
/** A host of ours asks now and then whether somebody listens, every 15 s; one that is silent for so long is gone. In milliseconds. */
const longestSilenceMs = 40_000;
/** Parts of a message beside the parameters. */
const envelopeBytes = 4_096;

/** A host anywhere on a lattice, reached over NATS on subjects of its own. */
export class LatticeClient implements HostClient {
  readonly #connection: LatticeConnection;
  readonly #subjects: Subjects;
  readonly #host: string;

  constructor(connection: LatticeConnection, subjects: Subjects, host: string) {
    this.#connection = connection;
    this.#subjects = subjects;
    this.#host = host;
  }

  get where(): string {
    return `host ${this.#host} of lattice ${this.#subjects.lattice}`;
  }

  async call(verb: string, parameters: object = {}, timeoutMs: number = usualTimeoutMs): Promise<Document> {
    return await this.#ask(verb, parameters, timeoutMs);
  }

  async begin(verb: string, parameters: object = {}, timeoutMs: number = usualTimeoutMs): Promise<Document> {
    return await this.#ask(verb, parameters, timeoutMs, new Map([[jobHeader, ["1"]]]));
  }

  async #ask(verb: string, parameters: object, timeoutMs: number, headers?: BusHeaders): Promise<Document> {
    const subject = this.#subjects.write("verb", { host: this.#host, verb });
    const { bus } = this.#connection;
    try {
      const reply = await bus.request(subject, await this.#body(parameters), {
        timeoutMs,
        ...(headers ? { headers } : {}),
      });
      return unwrap(parseAnswer(textOf(await wholeReply(bus, reply, timeoutMs)), this.where, verb));
    } catch (error) {
      if (isLatticeError(error) && error.code === "NO_RESPONDERS") throw fail("HOST_ABSENT", this.where);
      throw error;
    }
  }

  async *stream(verb: string, parameters: object = {}): AsyncGenerator<Document> {
    const { bus } = this.#connection;
    const inbox = `_INBOX.${nuid()}`;
    const queue: BusMessage[] = [];
    let wake: (() => void) | undefined;
    const subscription = bus.subscribe(inbox, (message) => {
      queue.push(message);
      wake?.();
    });
    let enough: BusMessage | undefined;
    try {
      // Nobody there is told by asking something small; a published message would wait for ever.
      await this.call("version", {}, 5_000);
      bus.publish(this.#subjects.write("verb", { host: this.#host, verb }), await this.#body(parameters), {
        reply: inbox,
      });
      for (;;) {
        const message = queue.shift();
        if (!message) {
          await this.#next((resolve) => (wake = resolve));
          continue;
        }
        if (isAlive(message.headers)) continue;
        const isLast = message.headers.has(endHeader);
        const text = textOf(message.payload);
        if (text !== "" && text !== "{}") yield unwrap(parseAnswer(text, this.where, verb));
        if (isLast) return;
        if (message.reply !== undefined) enough = message;
      }
    } finally {
      subscription.unsubscribe();
      enough?.respond(new Uint8Array());
    }
  }

  /** @throws LatticeError HOST_ABSENT after a long silence. */
  #next(onWake: (resolve: () => void) => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(fail("HOST_ABSENT", this.where)), longestSilenceMs);
    onWake(resolve);
    return promise.finally(() => clearTimeout(timer));
  }

  /** Modules that are too large for a message are left in the lattice's own store, by their digest. */
  async #body(parameters: object): Promise<Uint8Array> {
    const text = Buffer.from(JSON.stringify(parameters));
    if (text.length + envelopeBytes <= this.#connection.bus.maxPayloadBytes) return text;
    const { bytes, reference: _reference, ...others } = parameters as { bytes?: string; reference?: string };
    if (bytes === undefined)
      throw fail("PAYLOAD_TOO_LARGE", "the request", text.length, this.#connection.bus.maxPayloadBytes);
    const content = Buffer.from(bytes, "base64");
    const name = `sha256:${createHash("sha256").update(content).digest("hex")}`;
    await this.#connection.blobs(`MODULES_${this.#subjects.lattice}`).put(name, content);
    return Buffer.from(JSON.stringify({ ...others, reference: `store:${name}` }));
  }
}

function textOf(payload: Uint8Array): string {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("utf8");
}

function isAlive(headers: BusHeaders): boolean {
  return headers.has(aliveHeader);
}

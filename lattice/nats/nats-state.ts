import type { BusHeaders } from "../bus.ts";
import { fail } from "../errors.ts";
import { checkStateKey, checkStatePattern } from "../state.ts";
import type { ExpectedRevision, State, StateChange, StateEntry, StateWatch } from "../state.ts";
import { decodeHeaders } from "./headers.ts";
import { isRefusal, refusals, unavailable } from "./jetstream.ts";
import type { JetStream, StoredMessage, StreamInfo } from "./jetstream.ts";
import { NatsWatch } from "./nats-watch.ts";
import { readAll } from "./stream-reader.ts";

/** Room for the header that carries an expected revision. */
const headerRoom = 256;
const expectedHeader = "Nats-Expected-Last-Subject-Sequence";
const operationHeader = "KV-Operation";

/**
 * A JetStream key-value bucket. Reads go to the stream's leader, so that who has put gets what was put.
 * Source: NATS architecture decision ADR-8; lattice protocol reference, section 10.
 */
export class NatsState implements State {
  readonly #jetStream: JetStream;
  readonly #bucket: string;
  readonly #stream: string;
  readonly #onHandlerError: (error: unknown, where: string) => void;
  readonly #watches = new Set<NatsWatch>();
  #ready: Promise<StreamInfo> | undefined;
  #maxValue = Infinity;
  #closed = false;

  constructor(jetStream: JetStream, bucket: string, onHandlerError: (error: unknown, where: string) => void) {
    if (!/^[-\w]+$/.test(bucket)) throw fail("STATE_KEY_INVALID", bucket);
    this.#jetStream = jetStream;
    this.#bucket = bucket;
    this.#stream = `KV_${bucket}`;
    this.#onHandlerError = onHandlerError;
  }

  get maxValueBytes(): number {
    return Math.min(this.#maxValue, this.#jetStream.bus.maxPayloadBytes - headerRoom);
  }

  async get(key: string): Promise<StateEntry | undefined> {
    this.#checkOpen();
    checkStateKey(key);
    const stored = await this.#last(key);
    return stored === undefined || isDeletion(stored) ? undefined : entryOf(key, stored);
  }

  async put(key: string, value: Uint8Array, { revision }: ExpectedRevision = {}): Promise<number> {
    this.#checkOpen();
    checkStateKey(key);
    if (value.length > this.maxValueBytes)
      throw fail("PAYLOAD_TOO_LARGE", `the value of ${key}`, value.length, this.maxValueBytes);
    const copy = Uint8Array.from(value);
    if (revision === undefined) return await this.#append(key, copy);
    try {
      return await this.#append(key, copy, new Map([[expectedHeader, [String(revision)]]]));
    } catch (error) {
      if (!isRefusal(error, refusals.wrongSequence)) throw error;
      const stored = await this.#last(key);
      // Deleted counts as absent, though a marker stands there.
      if (revision !== 0 || stored === undefined || !isDeletion(stored)) throw conflict(key, revision, stored);
      return await this.#appendAt(key, copy, stored.seq, new Map(), revision);
    }
  }

  async delete(key: string, { revision }: ExpectedRevision = {}): Promise<void> {
    this.#checkOpen();
    checkStateKey(key);
    const stored = await this.#last(key);
    const found = stored === undefined || isDeletion(stored) ? 0 : stored.seq;
    if (revision !== undefined && revision !== found) throw conflict(key, revision, stored);
    if (found === 0) return;
    const headers: BusHeaders = new Map([[operationHeader, ["DEL"]]]);
    if (revision === undefined) await this.#append(key, new Uint8Array(), headers);
    else await this.#appendAt(key, new Uint8Array(), revision, headers, revision);
  }

  async list(pattern = ">"): Promise<StateEntry[]> {
    this.#checkOpen();
    checkStatePattern(pattern);
    const found = new Map<string, StateEntry>();
    await this.#attempt(async () => {
      found.clear();
      await readAll(this.#jetStream, { ...this.reading, filter: this.subject(pattern), from: "last" }, (entry) => {
        const key = this.key(entry.subject);
        if (marksDeletion(entry.headers)) found.delete(key);
        else found.set(key, { key, value: new Uint8Array(entry.payload), revision: entry.sequence });
      });
    });
    return [...found.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  async watch(pattern: string, handler: (change: StateChange) => void): Promise<StateWatch> {
    this.#checkOpen();
    checkStatePattern(pattern);
    const watch = new NatsWatch(this.#jetStream, this, pattern, (change) => {
      try {
        handler(change);
      } catch (error) {
        this.#onHandlerError(error, change.key);
      }
    });
    this.#watches.add(watch);
    watch.stopped.addEventListener("abort", () => this.#watches.delete(watch));
    try {
      await this.#attempt(async () => await watch.open());
      this.#checkOpen();
      return watch;
    } catch (error) {
      watch.stop();
      throw error;
    }
  }

  /** The connection is back: watches read again, and tell what changed. */
  reconnected(): void {
    for (const watch of this.#watches) watch.reopen();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const watch of this.#watches) watch.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get reading(): { readonly store: string; readonly stream: string } {
    return { store: this.#bucket, stream: this.#stream };
  }

  subject(pattern: string): string {
    return `$KV.${this.#bucket}.${pattern}`;
  }

  key(subject: string): string {
    return subject.slice(this.subject("").length);
  }

  /** The bucket's stream, made when it is missing. @throws LatticeError STATE_UNAVAILABLE, STOPPED. */
  async ready(): Promise<StreamInfo> {
    this.#ready ??= this.#jetStream.ensureStream(this.#bucket, this.#config()).catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    const info = await this.#ready;
    const { max_msg_size = -1 } = info.config;
    if (max_msg_size > 0) this.#maxValue = max_msg_size;
    return info;
  }

  /** Asks for the stream anew: it may have been made again under the same name. */
  async readyAgain(): Promise<StreamInfo> {
    this.#ready = undefined;
    return await this.ready();
  }

  async #last(key: string): Promise<StoredMessage | undefined> {
    return await this.#attempt(async () => await this.#jetStream.last(this.#bucket, this.#stream, this.subject(key)));
  }

  async #append(key: string, value: Uint8Array, headers?: BusHeaders): Promise<number> {
    const { domain } = this.#jetStream.config;
    // With a domain the bucket is reached through its API's prefix. Source: NATS server, JetStream domain mappings.
    const subject = domain === undefined ? this.subject(key) : `${this.#jetStream.prefix}.${this.subject(key)}`;
    const revision = await this.#attempt(
      async () => await this.#jetStream.append(this.#bucket, subject, value, headers),
    );
    for (const watch of this.#watches) watch.wrote(key, revision);
    return revision;
  }

  async #appendAt(
    key: string,
    value: Uint8Array,
    sequence: number,
    headers: BusHeaders,
    wanted: number,
  ): Promise<number> {
    try {
      return await this.#append(key, value, new Map([...headers, [expectedHeader, [String(sequence)]]]));
    } catch (error) {
      if (!isRefusal(error, refusals.wrongSequence)) throw error;
      throw conflict(key, wanted, await this.#last(key));
    }
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#jetStream.withStream((anew) => (anew ? this.readyAgain() : this.ready()), work);
    } catch (error) {
      throw isRefusal(error, refusals.wrongSequence) ? error : unavailable(this.#bucket, error);
    }
  }

  /** Source: lattice protocol reference, section 10; ADR-8. */
  #config() {
    return {
      name: this.#stream,
      subjects: [this.subject(">")],
      retention: "limits",
      storage: "file",
      discard: "new",
      max_msgs_per_subject: 1,
      max_msgs: -1,
      max_bytes: -1,
      max_msg_size: -1,
      max_age: 0,
      num_replicas: this.#jetStream.config.replicas,
      allow_rollup_hdrs: true,
      deny_delete: true,
      allow_direct: true,
    };
  }

  #checkOpen(): void {
    if (this.#closed) throw fail("STOPPED", `the state ${this.#bucket}`);
  }
}

/** DEL and PURGE alike, and what a server writes for an entry that expired. */
export function marksDeletion(headers: BusHeaders): boolean {
  const operation = headers.get(operationHeader)?.[0];
  return operation === "DEL" || operation === "PURGE" || headers.has("Nats-Marker-Reason");
}

function isDeletion({ hdrs }: StoredMessage): boolean {
  return hdrs !== undefined && marksDeletion(decodeHeaders(Buffer.from(hdrs, "base64").toString()).headers);
}

function entryOf(key: string, { data = "", seq }: StoredMessage): StateEntry {
  return { key, value: Buffer.from(data, "base64"), revision: seq };
}

function conflict(key: string, wanted: number, stored: StoredMessage | undefined): Error {
  return fail("REVISION_CONFLICT", key, wanted, stored === undefined || isDeletion(stored) ? 0 : stored.seq);
}

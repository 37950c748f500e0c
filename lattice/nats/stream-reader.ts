import type { BusHeaders } from "../bus.ts";
import type { JetStream } from "./jetstream.ts";
import { NatsMessage } from "./message.ts";
import type { RawMessage } from "./parser.ts";
import type { Interest } from "./session.ts";

/** One message of a stream on its way through a consumer. */
export interface StreamEntry {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: BusHeaders;
  /** In the stream. */
  readonly sequence: number;
  /** When it was stored, in milliseconds since 1970. */
  readonly at: number;
  /** How many the server will still send of those that are there. */
  readonly pending: number;
}

export interface StreamReading {
  readonly store: string;
  readonly stream: string;
  /** Subject or pattern. */
  readonly filter: string;
  /** `last`: of each subject the latest. Changes after follow either way. */
  readonly from: "all" | "last";
  readonly onEntry: (entry: StreamEntry) => void;
  /** It tells nothing any more: a message is missing, or the server's side is gone. */
  readonly onLost: (why: string) => void;
}

const heartbeatMs = 2_000;
const heartbeat = 100;

/**
 * Reads a stream in order and notices when anything is missing, by the consumer's own numbers and by
 * its heartbeat. Source: NATS architecture decision ADR-17, ordered consumer.
 */
export class StreamReader implements Interest {
  readonly sid: number;
  readonly pattern: string;
  readonly queue = undefined;
  readonly overlaps = false;
  readonly #jetStream: JetStream;
  readonly #reading: StreamReading;
  #consumer: string | undefined;
  #expected = 1;
  #heard = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  private constructor(jetStream: JetStream, reading: StreamReading) {
    this.#jetStream = jetStream;
    this.#reading = reading;
    this.sid = jetStream.bus.session.nextSid();
    this.pattern = jetStream.bus.newInbox();
  }

  /** Answers the reader and how many messages were there to read. @throws as `JetStream.api`. */
  static async open(
    jetStream: JetStream,
    reading: StreamReading,
  ): Promise<{ readonly reader: StreamReader; readonly pending: number }> {
    const reader = new StreamReader(jetStream, reading);
    const { session } = jetStream.bus;
    session.listen(reader);
    try {
      const { store, stream, filter, from } = reading;
      const { name, num_pending } = await jetStream.api<{ readonly name: string; readonly num_pending: number }>(
        store,
        `CONSUMER.CREATE.${stream}`,
        {
          stream_name: stream,
          config: {
            deliver_subject: reader.pattern,
            deliver_policy: from === "all" ? "all" : "last_per_subject",
            filter_subject: filter,
            ack_policy: "none",
            max_deliver: 1,
            replay_policy: "instant",
            flow_control: true,
            idle_heartbeat: heartbeatMs * 1_000_000,
            mem_storage: true,
            num_replicas: 1,
          },
        },
      );
      reader.#consumer = name;
      if (!reader.#stopped) reader.#timer = setInterval(() => reader.#check(), heartbeatMs).unref();
      return { reader, pending: num_pending };
    } catch (error) {
      reader.stop();
      throw error;
    }
  }

  take(raw: RawMessage): void {
    if (this.#stopped) return;
    this.#heard = performance.now();
    const message = new NatsMessage(raw, this.#jetStream.bus);
    if (message.status === heartbeat) {
      this.#beat(message);
      return;
    }
    const entry = entryOf(message);
    if (entry === undefined) return;
    if (entry.delivered !== this.#expected) this.#lost(`message ${this.#expected} of the consumer is missing`);
    else {
      this.#expected++;
      this.#reading.onEntry(entry);
    }
  }

  /** May be called twice. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#timer);
    const { bus, prefix } = this.#jetStream;
    if (bus.session.status === "connected") {
      bus.session.unsubscribe(this.sid);
      if (this.#consumer !== undefined)
        bus.publish(`${prefix}.CONSUMER.DELETE.${this.#reading.stream}.${this.#consumer}`, new Uint8Array());
    }
    bus.session.forget(this.sid);
  }

  #beat(message: NatsMessage): void {
    // A question about flow is answered, a heartbeat says how far the consumer is.
    message.respond(new Uint8Array());
    const stalled = message.headers.get("Nats-Consumer-Stalled")?.[0];
    if (stalled !== undefined) this.#jetStream.bus.publish(stalled, new Uint8Array());
    const last = message.headers.get("Nats-Last-Consumer")?.[0];
    if (last !== undefined && Number(last) !== this.#expected - 1) this.#lost(`the consumer is at ${last}`);
  }

  #check(): void {
    const { session } = this.#jetStream.bus;
    if (session.status === "connected" && performance.now() - this.#heard > 2.5 * heartbeatMs)
      this.#lost("the consumer is silent");
  }

  #lost(why: string): void {
    if (this.#stopped) return;
    this.stop();
    this.#reading.onLost(why);
  }
}

/**
 * The numbers that a message's reply subject carries:
 * `$JS.ACK.STREAM.CONSUMER.DELIVERED.SEQUENCE.CONSUMER-SEQUENCE.NANOSECONDS.PENDING`, with domain
 * and account after `ACK` from some servers. Source: NATS architecture decision ADR-15.
 */
function entryOf(message: NatsMessage): (StreamEntry & { readonly delivered: number }) | undefined {
  const tokens = message.reply?.split(".") ?? [];
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK" || tokens.length < 9) return undefined;
  const first = tokens.length === 9 ? 5 : 7;
  const [sequence = 0, delivered = 0, nanoseconds = 0, pending = 0] = tokens.slice(first, first + 4).map(Number);
  const { subject, payload, headers } = message;
  return { subject, payload, headers, sequence, delivered, at: Math.floor(nanoseconds / 1e6), pending };
}

/** Reads what is there and stops. @throws as `JetStream.api`; Error when it was cut off or takes too long. */
export async function readAll(
  jetStream: JetStream,
  reading: Omit<StreamReading, "onEntry" | "onLost">,
  onEntry: (entry: StreamEntry) => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => {});
  let timer = setTimeout(() => {}, 0);
  const { reader, pending } = await StreamReader.open(jetStream, {
    ...reading,
    onEntry: (entry) => {
      onEntry(entry);
      timer.refresh();
      if (entry.pending === 0) resolve();
    },
    onLost: (why) => reject(new Error(why)),
  });
  clearTimeout(timer);
  const { stateTimeoutMs } = jetStream.config;
  timer = setTimeout(() => reject(new Error(`nothing came in ${stateTimeoutMs} ms`)), stateTimeoutMs);
  if (pending === 0) resolve();
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    reader.stop();
  }
}

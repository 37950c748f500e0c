import type { BusHeaders } from "../bus.ts";
import { describe, fail, failFrom, isLatticeError } from "../errors.ts";
import type { LatticeError } from "../errors.ts";
import type { NatsMessage } from "./message.ts";
import type { NatsBus } from "./nats-bus.ts";
import type { NatsConfig } from "./options.ts";
import { setTimeout as delay } from "node:timers/promises";

/** What JetStream answers instead of what was asked. Source: NATS server, `errors.json`. */
export class JetStreamRefusal extends Error {
  /** As in HTTP. */
  readonly status: number;
  readonly code: number;

  constructor({ code = 500, err_code = 0, description = "no reason given" }: ApiError) {
    super(description);
    this.status = code;
    this.code = err_code;
  }
}

interface ApiError {
  readonly code?: number;
  readonly err_code?: number;
  readonly description?: string;
}

export const refusals = {
  notEnabled: 10_039,
  notEnabledForAccount: 10_076,
  streamNotFound: 10_059,
  streamExists: 10_058,
  subjectsOverlap: 10_065,
  noMessage: 10_037,
  wrongSequence: 10_071,
} as const;

export interface StreamInfo {
  readonly created: string;
  readonly config: { readonly max_msg_size?: number; readonly allow_direct?: boolean };
  readonly state: { readonly last_seq: number };
}

/** A message as the stream holds it. */
export interface StoredMessage {
  readonly subject: string;
  readonly seq: number;
  /** Base64. */
  readonly data?: string;
  /** Base64 of the headers as they travel. */
  readonly hdrs?: string;
  readonly time: string;
}

/** How long an operation waits for a server that is away, before it is refused. */
const awayMs = 2_000;
const retryMs = 100;
/** Between looks at a stream that is made at this moment. */
const pollMs = 10;
/** How long a stream may be in the making before it is used all the same. */
const makingMs = 1_000;

/** Requests to JetStream, each answered or failed with STATE_UNAVAILABLE and the reason. */
export class JetStream {
  readonly bus: NatsBus;
  readonly config: NatsConfig;
  readonly prefix: string;
  #available: boolean | undefined;

  constructor(bus: NatsBus, config: NatsConfig) {
    this.bus = bus;
    this.config = config;
    this.prefix = config.domain === undefined ? "$JS.API" : `$JS.${config.domain}.API`;
  }

  /** False: the server has none. Undefined: not known yet. */
  get available(): boolean | undefined {
    return this.#available;
  }

  /** Finds out whether there is JetStream; never fails. */
  async probe(): Promise<void> {
    try {
      const reply = await this.bus.request(`${this.prefix}.INFO`, new Uint8Array(), {
        timeoutMs: this.config.stateTimeoutMs,
      });
      const { error } = parse<object>(reply);
      if (error === undefined) this.#available = true;
      else if (isAbsence(error.err_code)) this.#available = false;
    } catch (error) {
      if (isLatticeError(error) && error.code === "NO_RESPONDERS") this.#available = false;
      else this.#available ??= this.bus.session.serverInfo?.jetstream;
    }
  }

  /** One request of the API. @throws JetStreamRefusal; LatticeError STATE_UNAVAILABLE, STOPPED. */
  async api<T extends object>(store: string, verb: string, body?: object): Promise<T> {
    const payload = body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(body));
    const end = performance.now() + this.config.stateTimeoutMs;
    for (;;) {
      const { error, answer } = parse<T>(await this.request(store, `${this.prefix}.${verb}`, payload));
      if (error === undefined) {
        this.#available = true;
        return answer;
      }
      if (isAbsence(error.err_code)) throw this.#absent(store);
      // 503: a cluster that elects its leader.
      if (error.code !== 503 || performance.now() > end) throw new JetStreamRefusal(error);
      await delay(retryMs);
    }
  }

  /** Publishes into a stream. Answers the sequence. @throws as `api`, and NO_RESPONDERS when no stream takes it. */
  async append(store: string, subject: string, payload: Uint8Array, headers?: BusHeaders): Promise<number> {
    await this.#reached(store);
    const timeoutMs = this.config.stateTimeoutMs;
    try {
      const reply = await this.bus.request(subject, payload, { timeoutMs, ...(headers && { headers }) });
      const { error, answer } = parse<{ readonly seq: number }>(reply);
      if (error !== undefined) throw new JetStreamRefusal(error);
      return answer.seq;
    } catch (error) {
      if (isLatticeError(error) && error.code === "NO_RESPONDERS") throw error;
      throw this.#why(store, error);
    }
  }

  /** A request that the server of JetStream answers. @throws LatticeError STATE_UNAVAILABLE, STOPPED. */
  async request(store: string, subject: string, payload: Uint8Array): Promise<NatsMessage> {
    const { stateTimeoutMs: timeoutMs } = this.config;
    const end = performance.now() + timeoutMs;
    for (;;) {
      await this.#reached(store);
      try {
        return await this.bus.request(subject, payload, { timeoutMs });
      } catch (error) {
        if (!isLatticeError(error) || error.code !== "NO_RESPONDERS") throw this.#why(store, error);
        // One that had it, or says it has, is only not ready yet.
        const expected = this.#available ?? this.bus.session.serverInfo?.jetstream ?? false;
        if (!expected) throw this.#absent(store);
        if (performance.now() > end) throw failFrom(error, "STATE_UNAVAILABLE", store, "JetStream is not reached");
      }
      await delay(retryMs);
    }
  }

  /** Makes the stream unless it is there, and waits until it is whole when another host makes it at this moment. */
  async ensureStream(store: string, config: { readonly name: string } & object): Promise<StreamInfo> {
    const { name } = config;
    const end = performance.now() + this.config.stateTimeoutMs;
    for (;;) {
      const info = (await this.#streamInfo(store, name)) ?? (await this.#createStream(store, config, end));
      if (info !== undefined) {
        if (info.config.allow_direct === true) await this.#whole(name);
        return info;
      }
      await delay(pollMs);
    }
  }

  async #streamInfo(store: string, name: string): Promise<StreamInfo | undefined> {
    try {
      return await this.api<StreamInfo>(store, `STREAM.INFO.${name}`);
    } catch (error) {
      if (isRefusal(error, refusals.streamNotFound)) return undefined;
      throw unavailable(store, error);
    }
  }

  /** Undefined: another host began it first, and its subjects are taken before it is told of. */
  async #createStream(store: string, config: { readonly name: string }, end: number): Promise<StreamInfo | undefined> {
    try {
      return await this.api<StreamInfo>(store, `STREAM.CREATE.${config.name}`, config);
    } catch (error) {
      const begun = isRefusal(error, refusals.streamExists) || isRefusal(error, refusals.subjectsOverlap);
      if (begun && performance.now() < end) return undefined;
      throw unavailable(store, error);
    }
  }

  /**
   * A stream is told of before it is whole, and NATS server 2.9.10 dies of a read of such a one (seen: a nil
   * pointer in its `jsMsgGetRequest`). Who answers direct reads is there last, so an empty one of them is asked.
   */
  async #whole(name: string): Promise<void> {
    const end = performance.now() + makingMs;
    for (;;) {
      try {
        await this.bus.request(`${this.prefix}.DIRECT.GET.${name}`, Buffer.from("{}"), { timeoutMs: makingMs });
        return;
      } catch (error) {
        // Whatever else is wrong, the work itself tells it better.
        const begun = isLatticeError(error) && error.code === "NO_RESPONDERS";
        if (!begun || performance.now() > end) return;
      }
      await delay(pollMs);
    }
  }

  /**
   * Works on a stream: makes sure of it before, anew when it turns out to be gone, and waits for one that
   * another host makes at this moment, since the server tells of it before it takes its messages.
   * @throws what `ready` and `work` throw; JetStreamRefusal or NO_RESPONDERS when it stays gone.
   */
  async withStream<T>(ready: (anew: boolean) => Promise<unknown>, work: () => Promise<T>): Promise<T> {
    const end = performance.now() + this.config.stateTimeoutMs;
    for (let attempt = 0; ; attempt++) {
      // The first time anew costs a round trip, which is wait enough.
      if (attempt > 1) await delay(Math.min(2 ** attempt, retryMs));
      await ready(attempt > 0);
      try {
        return await work();
      } catch (error) {
        const gone =
          isRefusal(error, refusals.streamNotFound) || (isLatticeError(error) && error.code === "NO_RESPONDERS");
        if (!gone || performance.now() > end) throw error;
      }
    }
  }

  /** The latest message on a subject. @throws as `api`. */
  async last(store: string, stream: string, subject: string): Promise<StoredMessage | undefined> {
    try {
      const { message } = await this.api<{ readonly message: StoredMessage }>(store, `STREAM.MSG.GET.${stream}`, {
        last_by_subj: subject,
      });
      return message;
    } catch (error) {
      if (isRefusal(error, refusals.noMessage)) return undefined;
      throw error;
    }
  }

  async #reached(store: string): Promise<void> {
    const { bus } = this;
    if (bus.session.status === "connected") return;
    const longest = Math.min(awayMs, this.config.stateTimeoutMs);
    const timer = new AbortController();
    const late = delay(longest, "late" as const, { signal: timer.signal }).catch(() => "late" as const);
    try {
      if ((await Promise.race([bus.session.connected(), late])) !== "late") return;
    } catch {
      throw fail("STOPPED", `the connection of ${store}`);
    } finally {
      timer.abort();
    }
    throw failFrom(
      bus.session.problem,
      "STATE_UNAVAILABLE",
      store,
      bus.session.problem?.message ?? "no NATS server is reached",
    );
  }

  #absent(store: string): LatticeError {
    this.#available = false;
    return fail("STATE_UNAVAILABLE", store, `${this.bus.session.report().server} offers no JetStream`);
  }

  #why(store: string, error: unknown): Error {
    if (error instanceof JetStreamRefusal) return error;
    if (isLatticeError(error) && error.code === "BUS_CLOSED") return fail("STOPPED", `the connection of ${store}`);
    if (isLatticeError(error) && error.code === "PAYLOAD_TOO_LARGE") return error;
    return unavailable(store, error);
  }
}

/** What goes wrong in a store, as those who use it hear it. */
export function unavailable(store: string, error: unknown): LatticeError {
  return isLatticeError(error) && ["STATE_UNAVAILABLE", "STOPPED", "PAYLOAD_TOO_LARGE"].includes(error.code)
    ? error
    : failFrom(error, "STATE_UNAVAILABLE", store, describe(error));
}

export function isRefusal(error: unknown, code: number): boolean {
  return error instanceof JetStreamRefusal && error.code === code;
}

function isAbsence(code: number | undefined): boolean {
  return code === refusals.notEnabled || code === refusals.notEnabledForAccount;
}

function parse<T extends object>({
  payload,
}: NatsMessage): { readonly error: ApiError | undefined; readonly answer: T } {
  const answer = JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString()) as T & {
    readonly error?: ApiError;
  };
  return { error: answer.error, answer };
}

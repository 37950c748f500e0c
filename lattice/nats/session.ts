import { setTimeout as delay } from "node:timers/promises";
import type { ConnectionReport } from "../connection.ts";
import { fail, isLatticeError } from "../errors.ts";
import type { LatticeError } from "../errors.ts";
import { isAuthError, NatsLink } from "./link.ts";
import type { LinkOwner, ServerInfo } from "./link.ts";
import { addressText } from "./options.ts";
import type { NatsConfig } from "./options.ts";
import type { RawMessage } from "./parser.ts";
import { ServerPool, waitBefore } from "./servers.ts";
import { Backlog } from "./backlog.ts";
import type { Outgoing } from "./backlog.ts";

export type SessionStatus = "connecting" | "connected" | "reconnecting" | "closed";

/** What the session asks the server for, again after each reconnect. */
export interface Interest {
  readonly sid: number;
  readonly pattern: string;
  readonly queue: string | undefined;
  /** Keeps its messages coming from a server that is being left; two copies do no harm to it. */
  readonly overlaps: boolean;
  take(message: RawMessage): void;
}

export interface SessionHooks {
  readonly onProblem: (problem: LatticeError) => void;
  readonly onStatus: (status: SessionStatus) => void;
  /** A server was reached, the first time or again. */
  readonly onConnected: (info: ServerInfo) => void;
  /** A server of the cluster came or went; what lived on it is gone. */
  readonly onClusterChanged: () => void;
  /** The server does not let us publish there. */
  readonly onPublishRefused: (subject: string, problem: LatticeError) => void;
}

const assumedMaxPayload = 1024 * 1024;
const maxReported = 1_000;

/**
 * One conversation with whichever server answers: it connects, comes back after each loss, asks again
 * for what it was asked to listen to, and keeps what is published meanwhile, within bounds.
 */
export class NatsSession implements LinkOwner {
  readonly #config: NatsConfig;
  readonly #hooks: SessionHooks;
  readonly #pool: ServerPool;
  readonly #interests = new Map<number, Interest>();
  readonly #backlog: Backlog;
  readonly #closing = new AbortController();
  readonly #reported = new Set<string>();
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #link: NatsLink | undefined;
  #leaving = new Set<NatsLink>();
  #status: SessionStatus = "connecting";
  #problem: LatticeError | undefined;
  #maxPayload = assumedMaxPayload;
  #reconnects = 0;
  #lastSid = 0;

  constructor(config: NatsConfig, hooks: SessionHooks) {
    this.#config = config;
    this.#hooks = hooks;
    this.#pool = new ServerPool(config.addresses);
    this.#backlog = new Backlog(config.bufferBytes);
    void this.#connect(false);
  }

  get status(): SessionStatus {
    return this.#status;
  }

  get maxPayload(): number {
    return this.#maxPayload;
  }

  get serverInfo(): ServerInfo | undefined {
    return this.#link?.serverInfo;
  }

  get problem(): LatticeError | undefined {
    return this.#problem;
  }

  report(): Omit<ConnectionReport, "jetStream"> {
    return {
      server: this.#link ? addressText(this.#link.address) : this.#pool.text,
      version: this.#link?.serverInfo.version,
      reconnects: this.#reconnects,
      problem: this.#problem?.message,
    };
  }

  /** @throws LatticeError BUS_FULL when too much waits already. */
  publish(message: Outgoing): void {
    const link = this.#link;
    if (link === undefined) this.#backlog.add(message, this.#pool.text);
    else {
      if (link.waiting > this.#config.bufferBytes) throw fail("BUS_FULL", addressText(link.address), link.waiting);
      link.send(message.head, message.payload);
    }
  }

  nextSid(): number {
    return ++this.#lastSid;
  }

  listen(interest: Interest): void {
    this.#interests.set(interest.sid, interest);
    this.#link?.command(subscribeLine(interest));
  }

  /** Tells the server; what is under way still comes until `forget`. */
  unsubscribe(sid: number): void {
    for (const link of this.#links()) link.command(`UNSUB ${sid}\r\n`);
  }

  forget(sid: number): void {
    this.#interests.delete(sid);
  }

  /** Resolves when a server has taken everything sent before; across losses. @throws LatticeError BUS_CLOSED. */
  async flush(): Promise<void> {
    for (;;) {
      await this.connected();
      try {
        await this.#link?.roundTrip();
        return;
      } catch {
        if (this.#status === "closed") throw fail("BUS_CLOSED", "nothing can be flushed");
      }
    }
  }

  /** Like `flush`, but false as soon as no server is there. */
  async tryFlush(): Promise<boolean> {
    try {
      await Promise.all([...this.#links()].map(async (link) => await link.roundTrip()));
      return this.#link !== undefined;
    } catch {
      return false;
    }
  }

  /** Resolves while a server is there, else when one is. @throws LatticeError BUS_CLOSED. */
  async connected(): Promise<void> {
    if (this.#status === "closed") throw fail("BUS_CLOSED", "no server is reached any more");
    if (this.#link === undefined) await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async close(): Promise<void> {
    if (this.#status === "closed") return;
    const links = [...this.#links()];
    this.#link = undefined;
    this.#become("closed");
    this.#closing.abort();
    for (const { reject } of this.#waiting.splice(0)) reject(fail("BUS_CLOSED", "no server is reached any more"));
    await Promise.all(links.map(async (link) => await link.end()));
  }

  linkMessage(message: RawMessage): void {
    this.#interests.get(message.sid)?.take(message);
  }

  linkInfo(info: ServerInfo, link: NatsLink): void {
    if (link !== this.#link) return;
    this.#maxPayload = info.max_payload;
    if (this.#pool.used(link.address, info.connect_urls)) this.#hooks.onClusterChanged();
    if (info.ldm === true) void this.#leave(link);
  }

  linkError(text: string): void {
    const [, operation = "", subject = text] = /(publish|subscription) to "(\S+?)"/i.exec(text) ?? [];
    const publishing = operation.toLowerCase() === "publish";
    const problem = fail("NATS_PERMISSION", publishing ? "publish to" : "subscribe to", subject);
    if (publishing) this.#hooks.onPublishRefused(subject, problem);
    this.#tell(problem);
  }

  linkClosed(link: NatsLink, why: string): void {
    this.#leaving.delete(link);
    if (link !== this.#link) return;
    this.#link = undefined;
    this.#problem = fail(isAuthError(why) ? "NATS_REFUSED" : "NATS_CUT", addressText(link.address), why);
    // Servers that end in order are no news to an operator; a reason given by a server is.
    if (why !== "the connection broke") this.#tell(this.#problem);
    this.#become("reconnecting");
    void this.#connect(true);
  }

  *#links(): Iterable<NatsLink> {
    if (this.#link) yield this.#link;
    yield* this.#leaving;
  }

  /** Tries for ever, one round over all servers after the other. */
  async #connect(again: boolean): Promise<void> {
    const { signal } = this.#closing;
    for (let round = again ? 0 : -1; ; round++) {
      if (round >= 0)
        await delay(waitBefore(round, this.#config.reconnectMaxMs), undefined, { signal }).catch(() => {});
      const link = await this.#dialSome(this.#pool.round());
      if (this.#status === "closed") {
        link?.destroy("this side closed");
        return;
      }
      if (link !== undefined) {
        if (again) this.#reconnects++;
        this.#adopt(link);
        return;
      }
    }
  }

  async #dialSome(addresses: Iterable<NatsLink["address"]>): Promise<NatsLink | undefined> {
    const { signal } = this.#closing;
    for (const address of addresses) {
      if (signal.aborted) return undefined;
      try {
        const link = await NatsLink.dial(address, this.#config, this, signal);
        if (link.closed) continue;
        return link;
      } catch (error) {
        if (signal.aborted || !isLatticeError(error)) continue;
        this.#problem = error;
        this.#tell(error);
      }
    }
    return undefined;
  }

  #adopt(link: NatsLink): void {
    const info = link.serverInfo;
    this.#link = link;
    this.#problem = undefined;
    this.#reported.clear();
    this.#maxPayload = info.max_payload;
    this.#pool.used(link.address, info.connect_urls);
    for (const interest of this.#interests.values()) link.command(subscribeLine(interest));
    for (const { head, payload } of this.#backlog.take(info.max_payload)) link.send(head, payload);
    this.#become("connected");
    for (const { resolve } of this.#waiting.splice(0)) resolve();
    this.#hooks.onConnected(info);
    if (info.ldm === true) void this.#leave(link);
  }

  /**
   * Moves to another server before this one closes, so that nothing breaks: the new one is asked for
   * everything before the old one is left, and each subscription hears of one of them at a time,
   * except those of queues and replies, which cannot hear twice of one message.
   */
  async #leave(old: NatsLink): Promise<void> {
    if (this.#leaving.has(old)) return;
    const others = this.#pool.round().filter((address) => addressText(address) !== addressText(old.address));
    this.#leaving.add(old);
    const link = await this.#dialSome(others);
    if (link === undefined || this.#link !== old) {
      this.#leaving.delete(old);
      link?.destroy("it is not needed");
      return;
    }
    const interests = [...this.#interests.values()];
    for (const { sid, overlaps } of interests) if (!overlaps) old.command(`UNSUB ${sid}\r\n`);
    this.#reconnects++;
    this.#adopt(link);
    await link.roundTrip().catch(() => {});
    for (const { sid, overlaps } of interests) if (overlaps) old.command(`UNSUB ${sid}\r\n`);
    await old.roundTrip().catch(() => {});
    this.#leaving.delete(old);
    await old.end();
  }

  #become(status: SessionStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    this.#hooks.onStatus(status);
  }

  /** Each problem once per connection. */
  #tell(problem: LatticeError): void {
    if (this.#reported.has(problem.message) || this.#reported.size > maxReported) return;
    this.#reported.add(problem.message);
    this.#hooks.onProblem(problem);
  }
}

function subscribeLine({ pattern, queue, sid }: Interest): string {
  return queue === undefined ? `SUB ${pattern} ${sid}\r\n` : `SUB ${pattern} ${queue} ${sid}\r\n`;
}

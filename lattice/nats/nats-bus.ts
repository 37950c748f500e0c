import type { Asker } from "../asker.ts";
import { checkHeaders } from "../bus.ts";
import type {
  Bus,
  BusHeaders,
  BusMessage,
  BusStatus,
  GatherOptions,
  KnowingAsker,
  MessageHandler,
  PublishOptions,
  RequestOptions,
  SubscribeOptions,
  Subscription,
} from "../bus.ts";
import { fail } from "../errors.ts";
import { nuid } from "../nuid.ts";
import { checkPattern, checkSubject } from "../subject-patterns.ts";
import type { Wanted } from "./backlog.ts";
import { encodeHeaders } from "./headers.ts";
import type { NatsMessage } from "./message.ts";
import type { NatsConfig } from "./options.ts";
import { Requests } from "./requests.ts";
import type { SendRequest } from "./requests.ts";
import { NatsSession } from "./session.ts";
import type { SessionHooks, SessionStatus } from "./session.ts";
import { NatsSubscription } from "./subscription.ts";
import type { SubscriptionOwner } from "./subscription.ts";

export interface NatsBusHooks extends Omit<SessionHooks, "onStatus" | "onPublishRefused"> {
  readonly onHandlerError: (error: unknown, subject: string) => void;
}

/** The bus on NATS. */
export class NatsBus implements Bus, SubscriptionOwner {
  readonly session: NatsSession;
  readonly #config: NatsConfig;
  readonly #hooks: NatsBusHooks;
  readonly #requests: Requests;
  readonly #subscriptions = new Set<NatsSubscription>();
  readonly #listeners = new Set<(status: BusStatus) => void>();
  readonly #send: SendRequest;
  #draining: Promise<void> | undefined;
  #status: BusStatus = "connecting";
  /** The last subject of a request. */
  #plain: string | undefined;

  constructor(config: NatsConfig, hooks: NatsBusHooks) {
    this.#config = config;
    this.#hooks = hooks;
    this.session = new NatsSession(config, {
      ...hooks,
      onStatus: (status) => this.#sessionBecame(status),
      onPublishRefused: (subject, problem) => this.#requests.failAll(() => problem, subject),
    });
    this.#requests = new Requests(this.session.nextSid(), config.inboxPrefix, this);
    this.session.listen(this.#requests);
    this.#send = (subject, payload, reply, headers, wait) => this.#publish(subject, payload, reply, headers, wait);
  }

  get status(): BusStatus {
    return this.#status;
  }

  get maxPayloadBytes(): number {
    return this.session.maxPayload;
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(subject: string, payload: Uint8Array, { reply, headers }: PublishOptions = {}): void {
    if (reply !== undefined && !isPlain(reply)) checkSubject(reply);
    this.#publish(subject, payload, reply, headers);
  }

  request(subject: string, payload: Uint8Array, options: RequestOptions): Promise<NatsMessage> {
    return this.#requests.one(subject, payload, options, this.#send);
  }

  ask(subject: string, payload: Uint8Array, options: RequestOptions, asker: Asker<BusMessage> | KnowingAsker): void {
    this.#requests.ask(subject, payload, options, this.#send, asker);
  }

  gather(subject: string, payload: Uint8Array, options: GatherOptions): Promise<BusMessage[]> {
    return this.#requests.many(subject, payload, options, this.#send);
  }

  subscribe(pattern: string, handler: MessageHandler, { queue }: SubscribeOptions = {}): Subscription {
    checkPattern(pattern);
    if (queue !== undefined) checkSubject(queue);
    if (this.#status === "draining") throw fail("BUS_CLOSED", `it drains, so nothing can listen on ${pattern}`);
    this.#checkOpen(`nothing can listen on ${pattern}`);
    const subscription = new NatsSubscription(this, pattern, handler, queue);
    this.#subscriptions.add(subscription);
    this.session.listen(subscription);
    return subscription;
  }

  /** A subject of our own for replies that do not come through `request`. */
  newInbox(): string {
    return `${this.#config.inboxPrefix}.${nuid()}`;
  }

  async flush(): Promise<void> {
    this.#checkOpen("nothing can be flushed");
    await this.session.flush();
  }

  async drain(): Promise<void> {
    this.#draining ??= this.#finish();
    await this.#draining;
  }

  async close(): Promise<void> {
    if (this.#status === "closed") return;
    const closed = this.session.close();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#requests.failAll((subject) => fail("BUS_CLOSED", `no reply on ${subject} any more`));
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A late answer to a closed bus is nobody's fault. */
  respond(reply: string, payload: Uint8Array, headers?: BusHeaders): boolean {
    if (this.#status === "closed") return false;
    this.#publish(reply, payload, undefined, headers);
    return true;
  }

  forget(subscription: NatsSubscription): void {
    this.session.forget(subscription.sid);
    this.#subscriptions.delete(subscription);
  }

  handlerFailed(error: unknown, subject: string): void {
    this.#hooks.onHandlerError(error, subject);
  }

  async #finish(): Promise<void> {
    if (this.#status === "closed") return;
    this.#become("draining");
    await Promise.all([...this.#subscriptions].map(async (each) => await each.drain()));
    await this.#requests.settled();
    await this.session.tryFlush();
    await this.close();
  }

  #publish(
    subject: string,
    payload: Uint8Array,
    reply: string | undefined,
    headers: BusHeaders | undefined,
    wait?: Wanted,
  ): void {
    if (this.#status === "closed") throw fail("BUS_CLOSED", `nothing can be sent to ${subject}`);
    // Calls to one place go to one subject: most often it is the very text of the message before.
    if (subject !== this.#plain) {
      if (!isPlain(subject)) checkSubject(subject);
      else if (reply !== undefined) this.#plain = subject;
    }
    let text = "";
    let headerBytes = 0;
    if (headers !== undefined && headers.size > 0) {
      checkHeaders(headers);
      text = encodeHeaders(headers);
      headerBytes = Buffer.byteLength(text);
    }
    const bytes = headerBytes + payload.length;
    if (bytes > this.session.maxPayload)
      throw fail("PAYLOAD_TOO_LARGE", `the message to ${subject}`, bytes, this.session.maxPayload);
    const to = reply === undefined ? subject : `${subject} ${reply}`;
    const head = headerBytes === 0 ? `PUB ${to} ${bytes}\r\n` : `HPUB ${to} ${headerBytes} ${bytes}\r\n${text}`;
    this.session.publish({ head, payload, bytes, wait });
  }

  #checkOpen(what: string): void {
    if (this.#status === "closed") throw fail("BUS_CLOSED", what);
  }

  #sessionBecame(status: SessionStatus): void {
    if (this.#status === "draining" && status !== "closed") return;
    this.#become(status);
  }

  #become(status: BusStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    for (const listener of this.#listeners) listener(status);
  }
}

/**
 * Whether a subject is printable ASCII without blanks, wildcards or empty tokens: then it needs no
 * closer look. Each message is checked, so this has to cost nearly nothing.
 */
function isPlain(subject: string): boolean {
  const { length } = subject;
  if (length === 0 || length > 1_024) return false;
  let before = 0x2e;
  for (let index = 0; index < length; index++) {
    const code = subject.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || code === 0x2a || code === 0x3e || (code === 0x2e && before === 0x2e))
      return false;
    before = code;
  }
  return before !== 0x2e;
}

import { readFileSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { describe, failFrom, isLatticeError } from "../errors.ts";
import { addressText } from "./options.ts";
import type { NatsAddress, NatsConfig } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { ProtocolParser } from "./parser.ts";
import type { ProtocolSink, RawMessage } from "./parser.ts";
import { ReadRoom } from "./read-room.ts";

/** What a server says of itself, as far as it matters here. Source: NATS client protocol, INFO. */
export interface ServerInfo {
  readonly version: string;
  readonly max_payload: number;
  readonly headers?: boolean;
  readonly jetstream?: boolean;
  readonly nonce?: string;
  readonly tls_required?: boolean;
  readonly tls_available?: boolean;
  /** Other servers of its cluster, `host:port`. */
  readonly connect_urls?: readonly string[];
  /** Lame duck: it will close soon. */
  readonly ldm?: boolean;
}

/** Who is told what a link brings. */
export interface LinkOwner {
  linkMessage(message: RawMessage, link: NatsLink): void;
  linkInfo(info: ServerInfo, link: NatsLink): void;
  /** An error that ends nothing. */
  linkError(text: string, link: NatsLink): void;
  /** Once, with the server's last word when it had one. */
  linkClosed(link: NatsLink, why: string): void;
}

/** What a server's error means for the connection that it ends. */
export function isAuthError(text: string): boolean {
  return /authorization|authentication|account|credential|user .*(expired|revoked)/i.test(text);
}

const permissionError = /^permissions violation/i;
const missedPings = 2;

/** One connection to one server, from its greeting on. */
export class NatsLink implements ProtocolSink {
  readonly address: NatsAddress;
  readonly #owner: LinkOwner;
  readonly #config: NatsConfig;
  #parser = new ProtocolParser(this);
  #socket: Socket;
  #outbox: Outbox;
  #info: ServerInfo | undefined;
  #pongs: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #unanswered = 0;
  #timer: NodeJS.Timeout | undefined;
  #why = "";
  #open = false;
  #greeting = Promise.withResolvers<ServerInfo>();
  #closed = Promise.withResolvers<void>();

  private constructor(address: NatsAddress, config: NatsConfig, owner: LinkOwner) {
    this.address = address;
    this.#config = config;
    this.#owner = owner;
    const room = new ReadRoom();
    this.#socket = connect({
      host: address.host,
      port: address.port,
      noDelay: true,
      // TLS takes what comes from there on, and hands out its own.
      onread: { buffer: () => room.next(), callback: (length) => this.#read(room.took(length)) },
    });
    this.#outbox = new Outbox(this.#socket);
    this.#greeting.promise.catch(() => {});
  }

  /**
   * Connects, encrypts when it must, says who we are and waits until the server agrees.
   * @throws LatticeError NATS_UNREACHABLE, NATS_REFUSED, NATS_CREDENTIALS.
   */
  static async dial(
    address: NatsAddress,
    config: NatsConfig,
    owner: LinkOwner,
    signal: AbortSignal,
  ): Promise<NatsLink> {
    const link = new NatsLink(address, config, owner);
    const stop = (): void => link.destroy("this side closed");
    const timer = setTimeout(() => link.destroy(`no answer in ${config.connectTimeoutMs} ms`), config.connectTimeoutMs);
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    try {
      await link.#greet();
      return link;
    } catch (cause) {
      const why = link.#why || describe(cause);
      link.destroy(why);
      if (isLatticeError(cause)) throw cause;
      throw failFrom(cause, isAuthError(why) ? "NATS_REFUSED" : "NATS_UNREACHABLE", addressText(address), why);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }

  /** The latest that the server said of itself. */
  get serverInfo(): ServerInfo {
    return this.#info!;
  }

  get closed(): boolean {
    return !this.#open;
  }

  /** Bytes not taken by the system yet. */
  get waiting(): number {
    return this.#outbox.waiting;
  }

  command(text: string): void {
    this.#outbox.command(text);
  }

  send(head: string, payload: Uint8Array): void {
    this.#outbox.message(head, payload);
  }

  /** Resolves when the server has seen everything sent before, and we everything it sent before that. */
  async roundTrip(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pongs.push({ resolve, reject });
    this.#outbox.command("PING\r\n");
    await promise;
  }

  /** Sends what is joined, then closes; resolves when it is closed. */
  async end(): Promise<void> {
    this.#open = false;
    clearInterval(this.#timer);
    this.#parser.stop();
    this.#outbox.flush();
    const timer = setTimeout(() => this.#socket.destroy(), 1_000);
    this.#socket.end();
    // A server answers our end with its own; what it still sends is dropped.
    this.#socket.resume();
    await this.#closed.promise;
    clearTimeout(timer);
  }

  destroy(why: string): void {
    this.#why ||= why;
    this.#parser.stop();
    this.#socket.destroy();
  }

  info(json: string): void {
    const info = JSON.parse(json) as ServerInfo;
    if (!(info.max_payload > 0)) throw new Error("it greets without saying what it takes");
    this.#info = info;
    this.#greeting.resolve(this.#info);
    if (this.#open) this.#owner.linkInfo(this.#info, this);
  }

  /** Before the greeting is over nothing was asked for: such a message comes from somebody on the way. */
  message(message: RawMessage): void {
    if (this.#open) this.#owner.linkMessage(message, this);
  }

  ping(): void {
    this.#outbox.command("PONG\r\n");
  }

  pong(): void {
    this.#pongs.shift()?.resolve();
  }

  error(text: string): void {
    if (permissionError.test(text)) this.#owner.linkError(text, this);
    else this.#why ||= text;
  }

  async #greet(): Promise<void> {
    this.#attach(this.#socket);
    const info = await this.#greeting.promise;
    const { tls } = this.#config;
    if (tls !== false || info.tls_required === true) {
      if (info.tls_required !== true && info.tls_available !== true) throw new Error("it offers no TLS");
      await this.#encrypt();
    }
    const who = this.#config.credentials(info.nonce);
    const { name } = this.#config;
    // Source: NATS client protocol, CONNECT. `echo`: our own subscriptions get what we publish.
    const fields = { verbose: false, pedantic: false, lang: "wasmlattice", version: "0.1.0", protocol: 1, echo: true };
    const about = { ...fields, headers: true, no_responders: true, tls_required: tls !== false, name, ...who };
    this.#outbox.command(`CONNECT ${JSON.stringify(about)}\r\n`);
    await this.roundTrip();
    this.#open = true;
    this.#timer = setInterval(() => this.#beat(), this.#config.pingIntervalMs);
  }

  async #encrypt(): Promise<void> {
    const { tls } = this.#config;
    const files = typeof tls === "object" ? tls : {};
    const read = (file: string | undefined): { readonly pem?: Buffer } =>
      file === undefined ? {} : { pem: readPem(file) };
    const ca = files.caText ?? read(files.ca).pem;
    const { pem: cert } = read(files.cert);
    const { pem: key } = read(files.key);
    const plain = this.#socket;
    plain.removeAllListeners("close");
    // What came in clear is no beginning of what comes encrypted.
    this.#parser = new ProtocolParser(this);
    const { host } = this.address;
    const named = /^[\d.]+$|:/.test(host) ? { host } : { servername: host };
    const secure = connectTls({
      socket: plain,
      ...named,
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
    });
    this.#socket = secure;
    this.#outbox = new Outbox(secure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    secure.once("secureConnect", resolve);
    secure.once("error", reject);
    secure.once("close", () => reject(new Error("the server ended the connection during TLS")));
    secure.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#attach(secure);
    await promise;
  }

  /** True: read on. */
  #read(chunk: Buffer): boolean {
    this.#unanswered = 0;
    try {
      this.#parser.feed(chunk);
    } catch (error) {
      this.destroy(describe(error));
    }
    return true;
  }

  #attach(socket: Socket): void {
    socket.on("error", (error) => (this.#why ||= describe(error) || String((error as NodeJS.ErrnoException).code)));
    socket.on("end", () => socket.end());
    socket.on("close", () => this.#gone());
  }

  #gone(): void {
    clearInterval(this.#timer);
    const why = this.#why || "the connection broke";
    const error = new Error(why);
    this.#greeting.reject(error);
    for (const { reject } of this.#pongs.splice(0)) reject(error);
    this.#closed.resolve();
    if (!this.#open) return;
    this.#open = false;
    this.#owner.linkClosed(this, why);
  }

  #beat(): void {
    if (this.#unanswered >= missedPings) {
      this.destroy("it is silent");
      return;
    }
    this.#unanswered++;
    this.roundTrip().catch(() => {});
  }
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw failFrom(cause, "NATS_CREDENTIALS", `in ${file}`, describe(cause));
  }
}

import {
  type IncomingHttpHeaders,
  IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  ServerResponse,
} from "node:http";
import { Socket } from "node:net";
import type { HttpHandler } from "../../capabilities/index.ts";
import type { HttpFromChild, HttpToChild } from "./http-messages.ts";

type Send = (message: HttpFromChild, payload?: Uint8Array) => void;

/** The child's end of the host's listeners: makes of each message the request and response that a handler knows. */
export class HttpSide {
  readonly #send: Send;
  readonly #handlers = new Map<number, HttpHandler>();
  readonly #open = new Map<number, { readonly request: RelayedRequest; readonly response: RelayedResponse }>();

  constructor(send: Send) {
    this.#send = send;
  }

  serve(claim: number, handler: HttpHandler): void {
    this.#handlers.set(claim, handler);
  }

  forget(claim: number): void {
    this.#handlers.delete(claim);
  }

  receive(message: HttpToChild, payload: Uint8Array): void {
    if (message.type === "http") return this.#begin(message);
    const { request, response } = this.#open.get(message.id) ?? {};
    if (!request || !response) return;
    if (message.type === "http-gone") response.gone();
    else if (message.last) {
      request.complete = true;
      request.push(null);
    } else request.push(Buffer.from(payload));
  }

  #begin({ id, claim, method, url, version, headers }: Extract<HttpToChild, { type: "http" }>): void {
    const handler = this.#handlers.get(claim);
    const request = new RelayedRequest(() => this.#send({ type: "http-end", id }));
    const [major = 1, minor = 1] = version.split(".").map(Number);
    Object.assign(request, { method, url, httpVersion: version, httpVersionMajor: major, httpVersionMinor: minor });
    request.rawHeaders = [...headers];
    request.headers = headersOf(headers);
    const response = new RelayedResponse(request, id, this.#send);
    this.#open.set(id, { request, response });
    response.once("close", () => this.#open.delete(id));
    if (handler) handler(request, response);
    else response.writeHead(503, ["content-length", "0"]).end();
  }
}

/** A request whose connection is the host's. */
class RelayedRequest extends IncomingMessage {
  readonly #onEnd: () => void;

  /** `onEnd` is called when the provider wants nothing more of it before it is complete. */
  constructor(onEnd: () => void) {
    super(new Socket());
    this.#onEnd = onEnd;
  }

  override _read(): void {}

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.complete) this.#onEnd();
    done(error);
  }
}

/** An answer that goes to the host as it is written. Node's own checks of status and header hold. */
class RelayedResponse extends ServerResponse {
  readonly #id: number;
  readonly #send: Send;
  #told = false;

  constructor(request: IncomingMessage, id: number, send: Send) {
    super(request);
    this.#id = id;
    this.#send = send;
  }

  override writeContinue(): void {
    this.#send({ type: "http-continue", id: this.#id });
  }

  override writeHead(
    status: number,
    second?: string | OutgoingHttpHeaders | OutgoingHttpHeader[],
    third?: OutgoingHttpHeaders | OutgoingHttpHeader[],
  ): this {
    const given = typeof second === "string" ? third : second;
    if (typeof second === "string") super.writeHead(status, second, third);
    else super.writeHead(status, second);
    this.#told = true;
    const reason = typeof second === "string" ? second : null;
    this.#send({ type: "http-head", id: this.#id, status, reason, headers: [...this.#held(), ...listOf(given)] });
    return this;
  }

  override write(chunk: unknown, encoding?: unknown): boolean {
    this.#head();
    this.#send({ type: "http-part", id: this.#id, last: false }, bytesOf(chunk, encoding));
    return true;
  }

  override end(chunk?: unknown, encoding?: unknown): this {
    if (this.finished) return this;
    this.#head();
    this.finished = true;
    this.#send({ type: "http-part", id: this.#id, last: true }, bytesOf(chunk, encoding));
    this.emit("finish");
    this.emit("close");
    return this;
  }

  /** The client went away before its answer. */
  gone(): void {
    if (!this.finished) this.emit("close");
  }

  #head(): void {
    if (!this.#told) this.writeHead(this.statusCode);
  }

  /** What was set by name before the head was written. */
  #held(): string[] {
    return this.getHeaderNames().flatMap((name) => listOf({ [name]: this.getHeader(name) }));
  }
}

/** Names that come once: of several lines Node keeps the first. Source: Node.js documentation, `message.headers`. */
const single = new Set(
  (
    "age authorization content-length content-type etag expires from host if-modified-since if-unmodified-since " +
    "last-modified location max-forwards proxy-authorization referer retry-after server user-agent"
  ).split(" "),
);

/** As Node reads the lines of a request of its own. */
function headersOf(raw: readonly string[]): IncomingHttpHeaders {
  const found: Record<string, string> = {};
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    const before = found[name];
    if (before === undefined) found[name] = raw[i + 1]!;
    else if (!single.has(name)) found[name] = `${before}${name === "cookie" ? "; " : ", "}${raw[i + 1]!}`;
  }
  return found;
}

function listOf(headers: OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined): string[] {
  if (headers === undefined) return [];
  if (Array.isArray(headers)) return headers.map(String);
  return Object.entries(headers).flatMap(([name, value]) =>
    Array.isArray(value) ? value.flatMap((each) => [name, each]) : value === undefined ? [] : [name, String(value)],
  );
}

function bytesOf(chunk: unknown, encoding: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk !== "string") return new Uint8Array(0);
  return Buffer.from(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8");
}

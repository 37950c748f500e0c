import { type IncomingMessage, STATUS_CODES, type ServerResponse } from "node:http";
import { describe, type Era, fail, isLatticeError, type TraceContext } from "../../lattice/index.ts";
import { replyError } from "../codec/malformed.ts";
import { latin1Slice } from "../codec/raw-buffer.ts";
import type { InvokeOptions } from "../provider.ts";
import { collectBody } from "./body.ts";
import { type HttpReply, httpOperation } from "./contract.ts";
import { type Cors, corsHeader, isPreflight, preflightHeader } from "./cors.ts";
import { type Failure, failureBody, failureOf } from "./failure.ts";
import { isHopByHop } from "./header-names.ts";
import { readHttpReply } from "./reply-decoder.ts";
import { encodeHttpRequest } from "./request-encoder.ts";
import { type RequestHead, readHead } from "./request-head.ts";
import type { Site } from "./site.ts";
import { traceId } from "./trace.ts";

/** For how many eras one request is encoded at most. */
const mostEras = 3;
const noBody = new Uint8Array(0);

/** Up to here a body goes out as one string with the head, in one write (measured: 20 % over a buffer of its own). */
const oneWriteBytes = 16 * 1024;

/**
 * One request from its head to its answer. It is also the options of its own `invoke`, so that the
 * abort signal is made only when somebody reads it.
 */
export class Exchange implements InvokeOptions {
  readonly timeoutMs?: number;
  readonly trace: TraceContext;
  readonly #site: Site;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #head: RequestHead;
  #gone = false;
  #abort: AbortController | undefined;

  constructor(site: Site, request: IncomingMessage, response: ServerResponse) {
    this.#site = site;
    this.#request = request;
    this.#response = response;
    this.#head = readHead(request.rawHeaders);
    this.trace = this.#head.trace;
    this.timeoutMs = site.settings.timeoutMs;
    site.traffic.begin();
    response.on("close", () => this.#closed());
  }

  /** Aborted when the client goes away before its answer. */
  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#gone) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  run(): void {
    const { settings, traffic, link } = this.#site;
    const { contentLength, chunked, expects } = this.#head;
    const method = this.#request.method!;
    if (traffic.draining) return this.#refuse(fail("DRAINING", link.linkedActor.name));
    if (settings.cors && isPreflight(this.#request)) return this.#answerPreflight(settings.cors);
    if (settings.readOnly && method !== "GET" && method !== "HEAD") return this.#refuse(fail("METHOD_REFUSED", method));
    if (contentLength > settings.bodyBytes) return this.#refuse(this.#tooLarge(contentLength));
    if (contentLength <= 0 && !chunked) return this.#invoke(noBody);
    if (expects) this.#response.writeContinue();
    collectBody(
      this.#request,
      settings.bodyBytes,
      (body) => this.#invoke(body),
      () => this.#fail(this.#tooLarge(settings.bodyBytes + 1)),
    );
  }

  /** `tries` is left when an update changes the actor's era on the way, which a provider in the host cannot meet. */
  #invoke(body: Uint8Array, tries = mostEras): void {
    const { link, context } = this.#site;
    const { era, language } = link.linkedActor;
    const url = this.#request.url!;
    const query = url.indexOf("?");
    const payload = encodeHttpRequest(
      era,
      {
        method: this.#request.method!,
        path: pathOf(query < 0 ? url : url.slice(0, query)),
        queryString: query < 0 ? "" : url.slice(query + 1),
        header: this.#head.header,
        body,
      },
      language,
    );
    context.invoke(link, httpOperation(era), payload, this).then(
      (reply) => this.#answer(reply, era),
      (error: unknown) => {
        if (tries > 1 && isLatticeError(error) && error.code === "ERA_CHANGED") this.#invoke(body, tries - 1);
        else this.#fail(error);
      },
    );
  }

  /** `era` is that of the module which was asked; an update may have changed the actor's since. */
  #answer(bytes: Uint8Array, era: Era): void {
    if (this.#gone) return;
    const { name } = this.#site.link.linkedActor;
    try {
      this.#send(readHttpReply(era, bytes, "latin1"), era);
    } catch (error) {
      const known = replyError(name, httpOperation(era), error);
      // What is left is Node's refusal of a header's name or value.
      this.#fail(isLatticeError(known) ? known : fail("REPLY_MALFORMED", name, httpOperation(era), describe(known)));
    }
  }

  #send({ statusCode, header, body }: HttpReply, era: Era): void {
    if (!(statusCode >= 200 && statusCode <= 599)) {
      const { name } = this.#site.link.linkedActor;
      throw fail("REPLY_MALFORMED", name, httpOperation(era), `${statusCode} is no final HTTP status`);
    }
    const method = this.#request.method;
    const { cacheControl, cors } = this.#site.settings;
    const out: string[] = [];
    let announced: string | undefined;
    let requestId = this.#head.requestId;
    let caching = method === "GET" || method === "HEAD" ? cacheControl : undefined;
    for (let i = 0; i < header.length; i += 2) {
      const spelt = header[i]!;
      const lower = spelt.toLowerCase();
      if (isHopByHop(lower)) continue;
      if (lower === "content-length") {
        announced = header[i + 1];
        continue;
      }
      if (lower === "x-request-id") requestId = undefined;
      else if (lower === "cache-control") caching = undefined;
      out.push(spelt, header[i + 1]!);
    }
    if (requestId !== undefined) out.push("x-request-id", requestId);
    if (caching !== undefined) out.push("cache-control", caching);
    if (cors) out.push(...corsHeader(cors, this.#request));
    const size = body.length;
    if (statusCode === 204 || statusCode === 304) {
      this.#response.writeHead(statusCode, out);
      this.#response.end();
      return;
    }
    // An actor that answers HEAD as such sends no body but may say how long it would be.
    const length = method === "HEAD" && size === 0 && /^\d{1,15}$/.test(announced ?? "") ? announced! : String(size);
    out.push("content-length", length);
    this.#response.writeHead(statusCode, out);
    if (size <= oneWriteBytes) this.#response.end(latin1Slice(body, 0, size), "latin1");
    else this.#response.end(body);
  }

  #answerPreflight(cors: Cors): void {
    this.#response.writeHead(204, preflightHeader(cors, this.#request)).end();
  }

  /**
   * Refuses before the body was read. A client that waits for `100 Continue` never sends it: Node
   * then says `Connection: close`. What others still send is passed over.
   */
  #refuse(error: unknown): void {
    const { contentLength, chunked, expects } = this.#head;
    if (!expects && (contentLength > 0 || chunked)) {
      collectBody(this.#request, this.#site.settings.bodyBytes, noop, noop);
    }
    this.#fail(error);
  }

  #fail(error: unknown): void {
    const { failures, link } = this.#site;
    const known = failureOf(error);
    const id = traceId(this.trace.traceparent);
    // A busy actor is no failure of its own; those who caused it read it in their answer.
    if (known.status >= 500 && known.status !== 503) {
      const text = () => `a request to ${link.linkedActor.name} failed: ${describe(error)}`;
      failures.note(text, { traceId: id, code: known.code });
    }
    if (this.#gone || this.#response.headersSent) return;
    this.#sendFailure(known, id);
  }

  #sendFailure(known: Failure, id: string): void {
    const { type, body } = failureBody(known, id, this.#request.headers.accept);
    const head = ["content-type", type, "content-length", String(Buffer.byteLength(body))];
    if (known.status === 503) head.push("retry-after", "1");
    if (known.status === 405) head.push("allow", "GET, HEAD");
    if (this.#head.requestId !== undefined) head.push("x-request-id", this.#head.requestId);
    // Without them the page that asked would not learn which failure it is.
    const { cors } = this.#site.settings;
    if (cors) head.push(...corsHeader(cors, this.#request));
    // Its reason is said anew: a head that Node refused has left its own behind.
    this.#response.writeHead(known.status, STATUS_CODES[known.status] ?? "", head);
    this.#response.end(body);
  }

  #tooLarge(size: number): unknown {
    const { bodyBytes } = this.#site.settings;
    return fail("PAYLOAD_TOO_LARGE", `a request to ${this.#site.link.linkedActor.name}`, size, bodyBytes);
  }

  #closed(): void {
    this.#site.traffic.end();
    if (this.#response.writableFinished) {
      this.#site.context.listeners.answered(this.#response.statusCode);
      return;
    }
    this.#gone = true;
    this.#abort?.abort();
  }
}

function noop(): void {}

/** Proxies ask for `http://host/path` (RFC 9112, 3.2.2); actors get the path alone. */
function pathOf(target: string): string {
  if (target.charCodeAt(0) === 0x2f) return target;
  const match = /^[a-z][a-z0-9+.-]*:\/\/[^/]*/i.exec(target);
  return match ? target.slice(match[0].length) || "/" : target;
}

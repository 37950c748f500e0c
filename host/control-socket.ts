import { chmodSync } from "node:fs";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { dirname } from "node:path";
import { LatticeError, describe, fail, failFrom, isLatticeError } from "../lattice/index.ts";
import { jobHeader, type Jobs } from "./membership/jobs.ts";
import { checkPath, clearPath, prepareFolder, socketPath } from "./socket-folder.ts";
import { type Verbs, findVerb } from "./verb-table.ts";

export interface ControlSocketOptions {
  /** Id of the host; names the socket. */
  readonly id: string;
  /** The socket's own path. Default: `socketPath(id)`, in a folder that only this user may enter. */
  readonly path?: string;
  readonly verbs: Verbs;
  /** Where work goes on that was asked for with the header `Lattice-Job`. */
  readonly jobs: Jobs;
  /** Largest body in bytes. Default 96 MiB: a module of 64 MiB travels as base64. */
  readonly bodyBytes?: number;
  /** Told of defects: whatever a verb throws that is not of the catalogue. */
  report?(text: string): void;
}

const MiB = 1024 * 1024;
/** How long `stop` waits for answers on their way. */
const partingMs = 1_000;

/**
 * A host's control interface on this machine: HTTP with JSON over a unix socket of mode 0600.
 *
 * | route | does |
 * | --- | --- |
 * | `GET /` | lists the verbs |
 * | `POST /v1/VERB` | runs one; the body is a JSON object of parameters, or empty |
 * | `GET /v1/VERB?name=value` | the same, for verbs that only read |
 *
 * An answer is `{"success":true, ...}`; a failure has the status of the error catalogue and
 * `{"success":false,"error","code","kind","hint","cause"}`. A verb that goes on answers one JSON
 * object a line (`application/x-ndjson`) until it ends or the asker goes; a failure in the middle is
 * the last line. With the header `Lattice-Job` on a POST the answer comes at once, `{"success":true,"job":{"id"}}`,
 * and the verb `job` tells what becomes of it.
 */
export class ControlSocket implements AsyncDisposable {
  readonly path: string;
  readonly #options: ControlSocketOptions;
  readonly #server: Server;
  readonly #asked = new Set<AbortController>();
  readonly #streams = new Set<AbortController>();

  private constructor(path: string, options: ControlSocketOptions) {
    this.path = path;
    this.#options = options;
    this.#server = createServer({ requestTimeout: 60_000, headersTimeout: 10_000, maxHeaderSize: 32 * 1024 });
    this.#server.maxConnections = 256;
    this.#server.on("request", (request, response) => void this.#serve(request, response));
  }

  /**
   * @throws LatticeError ALREADY_RUNNING when a host listens there; PRECONDITION when the folder is not ours;
   * OPTION_OUT_OF_RANGE for a path too long; ADDRESS_UNAVAILABLE when the system refuses.
   */
  static async start(options: ControlSocketOptions): Promise<ControlSocket> {
    const path = options.path ?? socketPath(options.id);
    checkPath(path);
    if (options.path === undefined) await prepareFolder(dirname(path));
    await clearPath(path);
    const socket = new ControlSocket(path, options);
    await socket.#listen();
    return socket;
  }

  /** Takes no more requests, ends streams, waits a moment for answers on their way, removes the socket. May be called twice. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const stream of this.#streams) stream.abort();
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => {
      for (const asked of this.#asked) asked.abort();
      this.#server.closeAllConnections();
    }, partingMs);
    await closed;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    const restore = narrowUmask();
    // The socket is made before `listen` returns.
    this.#server.listen(this.path, resolve);
    restore();
    try {
      await promise;
    } catch (error) {
      throw failFrom(error, "ADDRESS_UNAVAILABLE", this.path, describe(error));
    }
    this.#server.off("error", reject);
    chmodSync(this.path, 0o600);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const controller = new AbortController();
    response.once("close", () => controller.abort());
    this.#asked.add(controller);
    try {
      const answer = await this.#answer(request, response, controller.signal);
      if (isStream(answer)) await this.#stream(answer, response, controller);
      else sendJson(response, 200, { success: true, ...answer });
    } catch (error) {
      if (!response.headersSent) sendFailure(response, this.#known(error, request.url ?? ""));
      else response.destroy();
    } finally {
      this.#asked.delete(controller);
    }
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<object | AsyncIterable<object>> {
    const url = URL.parse(request.url ?? "/", "http://host");
    if (!url) throw fail("REQUEST_INVALID", "the control socket", "its path is malformed");
    const { pathname, searchParams } = url;
    const { method } = request;
    if (pathname === "/" && method === "GET") return { verbs: this.#list() };
    const name = pathname.startsWith("/v1/") ? decoded(pathname.slice("/v1/".length)) : undefined;
    if (name === undefined) throw fail("VERB_UNKNOWN", `${pathname} (routes: GET /, POST /v1/VERB)`);
    const verb = findVerb(this.#options.verbs, name);
    if (method === "GET" && verb.reads) return await verb.run(queryOf(searchParams), { signal });
    if (method !== "POST") {
      response.statusCode = 405;
      response.setHeader("allow", verb.reads ? "GET, POST" : "POST");
      throw fail("REQUEST_INVALID", name, `${method} is not for it, ${verb.reads ? "GET and POST are" : "POST is"}`);
    }
    const params = parsed(name, await readBody(request, this.#options.bodyBytes ?? 96 * MiB));
    if (request.headers[jobHeader.toLowerCase()] === undefined) return await verb.run(params, { signal });
    // Nobody's going ends it.
    const work = () => verb.run(params, { signal: new AbortController().signal });
    return { job: this.#options.jobs.begin(name, work) };
  }

  #list(): object[] {
    return Object.entries(this.#options.verbs).map(([name, { summary, reads }]) => ({
      name,
      summary,
      reads: reads ?? false,
    }));
  }

  /** Writes no faster than the asker reads; ends the source when the asker has gone. */
  async #stream(source: AsyncIterable<object>, response: ServerResponse, controller: AbortController): Promise<void> {
    const { signal } = controller;
    const iterator = source[Symbol.asyncIterator]();
    const { promise: gone, resolve } = Promise.withResolvers<"gone">();
    signal.addEventListener("abort", () => resolve("gone"));
    if (signal.aborted) resolve("gone");
    this.#streams.add(controller);
    response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
    response.flushHeaders();
    try {
      for (;;) {
        const step = await Promise.race([iterator.next(), gone]);
        if (step === "gone" || step.done) break;
        if (!response.write(`${JSON.stringify(step.value)}\n`)) {
          const { promise: drained, resolve: go } = Promise.withResolvers<void>();
          response.once("drain", go);
          await Promise.race([drained, gone]);
          response.off("drain", go);
        }
      }
    } catch (error) {
      response.write(`${JSON.stringify(failureBody(this.#known(error, "a stream")))}\n`);
    } finally {
      this.#streams.delete(controller);
      response.end();
      // A source that waits for its next item settles this only when its signal or that item has come.
      void Promise.resolve(iterator.return?.()).catch(() => {});
    }
  }

  /** An error of the catalogue; anything else is a defect, told to the host's log too. */
  #known(error: unknown, what: string): LatticeError {
    if (isLatticeError(error)) return error;
    this.#options.report?.(
      `control request ${what} failed: ${error instanceof Error ? (error.stack ?? "") : describe(error)}`,
    );
    return failFrom(error, "VERB_FAILED", what, describe(error));
  }
}

function isStream(answer: object): answer is AsyncIterable<object> {
  return Symbol.asyncIterator in answer;
}

function decoded(name: string): string | undefined {
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

/** A name that stands once is a text, one that repeats a list of texts. */
function queryOf(query: URLSearchParams): Record<string, string | string[]> {
  return Object.fromEntries(
    [...new Set(query.keys())].map((name) => {
      const [first = "", ...more] = query.getAll(name);
      return [name, more.length === 0 ? first : [first, ...more]];
    }),
  );
}

/** @throws LatticeError PAYLOAD_TOO_LARGE as soon as that is known, CALLER_GONE when the body never ends. */
async function readBody(request: IncomingMessage, most: number): Promise<Buffer> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > most) throw fail("PAYLOAD_TOO_LARGE", "the request", announced, most);
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of request as AsyncIterable<Buffer>) {
      size += piece.length;
      if (size > most) throw fail("PAYLOAD_TOO_LARGE", "the request", size, most);
      pieces.push(piece);
    }
  } catch (error) {
    throw isLatticeError(error) ? error : failFrom(error, "CALLER_GONE", "the control socket");
  }
  return Buffer.concat(pieces);
}

function parsed(verb: string, body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw failFrom(error, "REQUEST_INVALID", verb, "the body is not JSON");
  }
}

function failureBody(error: LatticeError): object {
  const { message, ...rest } = error.toWire();
  return { success: false, error: message, ...rest };
}

function sendFailure(response: ServerResponse, error: LatticeError): void {
  sendJson(response, response.statusCode === 405 ? 405 : error.httpStatus, failureBody(error));
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  const text = Buffer.from(`${JSON.stringify(body)}\n`);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": text.length,
    "cache-control": "no-store",
  });
  response.end(text);
}

/** The socket must not be open to others for a moment either; threads cannot set the mask and do without. */
function narrowUmask(): () => void {
  try {
    const before = process.umask(0o177);
    return () => void process.umask(before);
  } catch {
    return () => {};
  }
}

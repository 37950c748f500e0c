import type { IncomingMessage } from "node:http";
import { fail, failFrom, fromWire, describe, type WireError } from "../lattice/index.ts";

/** A host of this machine, reached over its control socket. */
export class HostClient {
  readonly socket: string;

  constructor(socket: string) {
    this.socket = socket;
  }

  /**
   * Asks one verb and waits for its answer, without `success`.
   * @throws LatticeError what the host answered; HOST_ABSENT when nobody listens; RPC_TIMEOUT after `timeoutMs`.
   */
  async call(verb: string, parameters: object = {}, timeoutMs?: number): Promise<Document> {
    const response = await this.#request(verb, parameters, timeoutMs);
    const pieces: Buffer[] = [];
    try {
      for await (const piece of response) pieces.push(piece as Buffer);
    } catch (error) {
      throw this.#broken(error, verb, timeoutMs);
    }
    return unwrap(this.#parse(Buffer.concat(pieces).toString("utf8"), verb));
  }

  /**
   * Asks a verb that goes on: yields each line until the host ends the stream or the caller stops reading.
   * @throws as `call`, also in the middle of the stream.
   */
  async *stream(verb: string, parameters: object = {}): AsyncGenerator<Document> {
    const response = await this.#request(verb, parameters, undefined);
    let rest = "";
    try {
      response.setEncoding("utf8");
      for await (const piece of response) {
        const lines = (rest + String(piece)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) if (line !== "") yield unwrap(this.#parse(line, verb));
      }
      if (rest.trim() !== "") yield unwrap(this.#parse(rest, verb));
    } catch (error) {
      throw this.#broken(error, verb, undefined);
    } finally {
      response.destroy();
    }
  }

  async #request(verb: string, parameters: object, timeoutMs: number | undefined): Promise<IncomingMessage> {
    const { request } = await import("node:http");
    const body = Buffer.from(JSON.stringify(parameters));
    const signal = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          socketPath: this.socket,
          method: "POST",
          path: `/v1/${encodeURIComponent(verb)}`,
          agent: false,
          headers: { host: "localhost", "content-type": "application/json", "content-length": body.length },
          ...(signal === undefined ? {} : { signal }),
        },
        resolve,
      );
      asked.on("error", (error) => reject(this.#broken(error, verb, timeoutMs)));
      asked.end(body);
    });
  }

  #parse(text: string, verb: string): Document {
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === "object" && value !== null) return value as Document;
    } catch (error) {
      throw failFrom(error, "REPLY_MALFORMED", `the host at ${this.socket}`, verb, "no JSON");
    }
    throw fail("REPLY_MALFORMED", `the host at ${this.socket}`, verb, "no JSON object");
  }

  #broken(error: unknown, verb: string, timeoutMs: number | undefined): unknown {
    const { name, code } = error as NodeJS.ErrnoException;
    if (name === "TimeoutError" || code === "ABORT_ERR")
      return fail("RPC_TIMEOUT", `${this.socket} ${verb}`, timeoutMs ?? 0);
    if (name === "LatticeError") return error;
    if (code === "EACCES" || code === "EPERM")
      return failFrom(error, "PRECONDITION", `this user may not open ${this.socket}`);
    if (code === "ECONNRESET" || code === "EPIPE") return failFrom(error, "STOPPED", `the host at ${this.socket}`);
    if (code !== undefined) return failFrom(error, "HOST_ABSENT", this.socket);
    return error;
  }
}

/** What a host answers: JSON, read field by field. */
export type Document = Readonly<Record<string, unknown>>;

function unwrap(document: Document): Document {
  const { success, ...rest } = document;
  if (success !== false) return rest;
  const { error, code, kind, hint, cause } = rest as { error?: string } & Partial<WireError>;
  const message = error ?? "the host refused without a reason";
  if (code === undefined || kind === undefined) throw fail("PROVIDER_FAILED", "the host", "the request", message);
  throw fromWire({ code, kind, message, ...(hint ? { hint } : {}), ...(cause ? { cause: describe(cause) } : {}) });
}

/** Rows of a list in an answer. */
export function rowsOf(document: Document, name: string): Document[] {
  const value = document[name];
  return Array.isArray(value) ? (value as Document[]) : [];
}

/** A field as text: texts as they are, absent as undefined, the rest as JSON. */
export function textOf(document: Document, name: string): string | undefined {
  const value = document[name];
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

import type { IncomingMessage } from "node:http";
import { fail, failFrom } from "../lattice/index.ts";
import { type Document, type HostClient, jobHeader, parseAnswer, unwrap } from "./client.ts";

/** A host of this machine, reached over its control socket. */
export class SocketClient implements HostClient {
  readonly socket: string;

  constructor(socket: string) {
    this.socket = socket;
  }

  get where(): string {
    return `the host at ${this.socket}`;
  }

  /**
   * Asks one verb and waits for its answer, without `success`.
   * @throws LatticeError what the host answered; HOST_ABSENT when nobody listens; RPC_TIMEOUT after `timeoutMs`.
   */
  async call(verb: string, parameters: object = {}, timeoutMs?: number): Promise<Document> {
    return await this.#ask(verb, parameters, timeoutMs);
  }

  async begin(verb: string, parameters: object = {}, timeoutMs?: number): Promise<Document> {
    return await this.#ask(verb, parameters, timeoutMs, { [jobHeader]: "1" });
  }

  async #ask(
    verb: string,
    parameters: object,
    timeoutMs: number | undefined,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Document> {
    const response = await this.#request(verb, parameters, timeoutMs, headers);
    const pieces: Buffer[] = [];
    try {
      for await (const piece of response) pieces.push(piece as Buffer);
    } catch (error) {
      throw this.#broken(error, verb, timeoutMs);
    }
    return unwrap(parseAnswer(Buffer.concat(pieces).toString("utf8"), this.where, verb));
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
        for (const line of lines) if (line !== "") yield unwrap(parseAnswer(line, this.where, verb));
      }
      if (rest.trim() !== "") yield unwrap(parseAnswer(rest, this.where, verb));
    } catch (error) {
      throw this.#broken(error, verb, undefined);
    } finally {
      response.destroy();
    }
  }

  async #request(
    verb: string,
    parameters: object,
    timeoutMs: number | undefined,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<IncomingMessage> {
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
          headers: { host: "localhost", "content-type": "application/json", "content-length": body.length, ...headers },
          ...(signal === undefined ? {} : { signal }),
        },
        resolve,
      );
      asked.on("error", (error) => reject(this.#broken(error, verb, timeoutMs)));
      asked.end(body);
    });
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

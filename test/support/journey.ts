import { Agent, type IncomingHttpHeaders, request } from "node:http";
import type { ActorHandle, Host, Provider, ProviderCall, StartActorOptions } from "../../index.ts";
import { textOf } from "./guests.ts";

/** Loads and starts signed bytes. */
export async function start(host: Host, bytes: Uint8Array, options: StartActorOptions = {}): Promise<ActorHandle> {
  return host.startActor(await host.load(bytes, "the module"), options);
}

/** A call whose payload and reply are text. */
export async function ask(
  host: Host,
  target: ActorHandle | string,
  operation: string,
  payload: Uint8Array | string = "",
  options: Parameters<Host["call"]>[3] = {},
): Promise<string> {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  return textOf(await host.call(target, operation, bytes, options));
}

/** The code of what a promise is rejected with, or undefined when it is not. */
export function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => undefined,
    (error: { code?: string; message?: string }) => error.code ?? error.message ?? "no message",
  );
}

/** A provider that holds every call until the test lets it go, and keeps what it was asked. */
export class Gate implements Provider {
  readonly contractId = "wasmcloud:keyvalue";
  readonly name = "gate";
  readonly calls: ProviderCall[] = [];
  readonly #reply: Uint8Array;
  #held: (() => void)[] = [];
  #open = false;

  constructor(reply: Uint8Array = Buffer.from("let through")) {
    this.#reply = reply;
  }

  get held(): number {
    return this.#held.length;
  }

  handle(call: ProviderCall): Promise<Uint8Array> {
    this.calls.push(call);
    if (this.#open) return Promise.resolve(this.#reply);
    return new Promise((resolve) => this.#held.push(() => resolve(this.#reply)));
  }

  /** Lets go of all that it holds, and of all that comes. */
  open(): void {
    this.#open = true;
    for (const release of this.#held.splice(0)) release();
  }
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** One request on a connection of its own. */
export function send(
  url: string,
  {
    method = "GET",
    headers = {},
    body,
  }: { method?: string; headers?: Record<string, string>; body?: Uint8Array | string } = {},
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    request(url, { method, headers, agent: new Agent({ keepAlive: false }) }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    })
      .on("error", reject)
      .end(body);
  });
}

/** The code in the body of a refused request. */
export function httpCode({ text }: HttpAnswer): string {
  return (JSON.parse(text) as { error: { code: string } }).error.code;
}

import { lookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import type { Agent, Dispatcher } from "undici";
import { contractOf, describe, fail, isLatticeError } from "../../lattice/index.ts";
import { payloadError } from "../codec/malformed.ts";
import type { Link, Provider, ProviderCall } from "../provider.ts";
import { type ClientReply, type ClientRequest, encodeClientReply, readClientRequest } from "./contract.ts";
import { isPrivateAddress } from "./private-addresses.ts";
import { type ClientSettings, readClientSettings } from "./settings.ts";

/** Of one connection, or written by the client itself (RFC 9110, 7.6.1). */
const ownHeaders = new Set(
  "connection keep-alive proxy-connection te trailer transfer-encoding upgrade host content-length expect".split(" "),
);
/** Not given to another host than the one they were meant for. */
const secretHeaders = new Set(["authorization", "cookie", "proxy-authorization"]);
const connectionsPerHost = 128;
const mostRequests = 1_000;

/**
 * HTTP requests of actors to the world outside, over pooled connections. A link may narrow the hosts;
 * addresses that are not of the public internet are refused unless it allows them, also behind a name
 * and after a redirect. Sizes and times are bounded.
 */
export function httpClient(): Provider {
  return new HttpClient();
}

class HttpClient implements Provider {
  readonly contractId = contractOf("httpclient");
  readonly name = "HTTP client";
  readonly stateless = true;
  readonly #links = new Map<string, ClientSettings>();
  readonly #stopped = new AbortController();
  readonly #agents = new Map<boolean, Agent>();
  #inWork = 0;
  #idle: (() => void)[] = [];

  putLink(link: Link): void {
    this.#links.set(link.id, readClientSettings(link.values));
  }

  deleteLink(link: Link): void {
    this.#links.delete(link.id);
  }

  handle(call: ProviderCall): Promise<Uint8Array> {
    const { contractId, operation, era, payload, link } = call;
    if (!operations.has(operation)) throw fail("OPERATION_UNKNOWN", contractId, operation);
    if (this.#inWork >= mostRequests) throw fail("QUEUE_FULL", this.name, this.#inWork);
    const settings = this.#links.get(link.id);
    if (!settings) throw fail("LINK_ABSENT", link.linkedActor.name, contractId, link.linkName);
    let request: ClientRequest;
    try {
      // The body outlives this turn, so it is copied out of the guest's memory.
      const read = readClientRequest(era, payload);
      request = { ...read, body: new Uint8Array(read.body) };
    } catch (error) {
      throw payloadError(operation, error);
    }
    return this.#counted(this.#ask(request, settings, call).then((reply) => encodeClientReply(era, reply)));
  }

  async drain(): Promise<void> {
    if (this.#inWork > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
    this.#agents.clear();
  }

  async #counted<T>(work: Promise<T>): Promise<T> {
    this.#inWork++;
    try {
      return await work;
    } finally {
      if (--this.#inWork === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  async #ask(request: ClientRequest, settings: ClientSettings, call: ProviderCall): Promise<ClientReply> {
    const allowed = Math.min(settings.timeoutMs, call.deadline - performance.now());
    const signal = AbortSignal.any([AbortSignal.timeout(Math.max(1, Math.ceil(allowed))), this.#stopped.signal]);
    let url = urlOf(request.url);
    try {
      let { method, body, header } = request;
      for (let redirects = 0; ; redirects++) {
        check(url, settings);
        const answer = await this.#send(url, { method, body, header }, settings, signal, call);
        const location = redirectOf(answer);
        if (location === undefined || settings.redirects === 0) return await readAnswer(method, answer, url, settings);
        await answer.body.dump();
        if (redirects === settings.redirects)
          throw fail("HTTP_CLIENT_FAILED", url.host, `more than ${settings.redirects} redirects`);
        const next = urlOf(location, url);
        if (next.origin !== url.origin) header = without(header, secretHeaders);
        // As browsers do (Fetch standard, HTTP-redirect fetch): the body goes along only where the method stays.
        if (answer.statusCode === 303 ? method !== "HEAD" : answer.statusCode < 303 && method === "POST") {
          [method, body] = ["GET", new Uint8Array(0)];
          header = without(header, new Set(["content-type", "content-encoding", "content-language"]));
        }
        url = next;
      }
    } catch (error) {
      throw this.#reason(error, url, allowed);
    }
  }

  async #send(
    url: URL,
    { method, body, header }: Omit<ClientRequest, "url">,
    { allowPrivate }: ClientSettings,
    signal: AbortSignal,
    { trace }: ProviderCall,
  ): Promise<Dispatcher.ResponseData> {
    const { request } = await import("undici");
    const headers = without(header, ownHeaders);
    if (trace && !headers.some((name, i) => i % 2 === 0 && name.toLowerCase() === "traceparent"))
      headers.push("traceparent", trace.traceparent, ...(trace.tracestate ? ["tracestate", trace.tracestate] : []));
    return request(url, {
      method,
      headers,
      body: body.length > 0 ? body : null,
      dispatcher: await this.#agent(allowPrivate),
      signal,
    });
  }

  async #agent(allowPrivate: boolean): Promise<Agent> {
    const { Agent } = await import("undici");
    let agent = this.#agents.get(allowPrivate);
    if (!agent) {
      agent = new Agent({
        connections: connectionsPerHost,
        connect: { timeout: 10_000, ...(allowPrivate ? {} : { lookup: publicLookup }) },
        maxHeaderSize: 64 * 1024,
      });
      this.#agents.set(allowPrivate, agent);
    }
    return agent;
  }

  #reason(error: unknown, url: URL, allowedMs: number): unknown {
    if (isLatticeError(error)) return error;
    if (this.#stopped.signal.aborted) return fail("STOPPED", this.name);
    const cause = error instanceof Error && isLatticeError(error.cause) ? error.cause : undefined;
    if (cause) return cause;
    if (error instanceof Error && error.name === "TimeoutError")
      return fail("DEADLINE_EXCEEDED", url.host, Math.round(allowedMs));
    return fail("HTTP_CLIENT_FAILED", url.host, describe(error) || "the connection failed");
  }
}

const operations = new Set(["PerformRequest", "Request", "HttpClient.Request"]);

function urlOf(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (!url) throw fail("PAYLOAD_MALFORMED", "the HTTP request", `"${text.slice(0, 80)}" is no URL`);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw fail("HTTP_HOST_REFUSED", url.protocol, "only http and https are asked");
  if (url.username !== "" || url.password !== "")
    throw fail("HTTP_HOST_REFUSED", url.host, "credentials belong into a header, not into the URL");
  return url;
}

/** The name as it stands in the URL; what it resolves to is checked when it is connected to. */
function check(url: URL, { allows, allowPrivate }: ClientSettings): void {
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
  if (!allows(url.hostname, port)) throw fail("HTTP_HOST_REFUSED", url.host, "the link does not allow it");
  const address = url.hostname.replace(/^\[|\]$/g, "");
  if (!allowPrivate && isIP(address) !== 0 && isPrivateAddress(address)) throw refusedPrivate(url.host);
}

function refusedPrivate(host: string) {
  return fail("HTTP_HOST_REFUSED", host, "its address is not of the public internet");
}

/** Looks at each address of a name when it is connected to, so that a name cannot change between check and use. */
const publicLookup: LookupFunction = (hostname, options, done) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return done(error, "");
    if (addresses.some(({ address }) => isPrivateAddress(address))) return done(refusedPrivate(hostname), "");
    if (options.all) return done(null, addresses);
    return done(null, addresses[0]!.address, addresses[0]!.family);
  });
};

function redirectOf({ statusCode, headers }: Dispatcher.ResponseData): string | undefined {
  const { location } = headers;
  const redirects = [301, 302, 303, 307, 308].includes(statusCode);
  return redirects && typeof location === "string" ? location : undefined;
}

async function readAnswer(
  method: string,
  { statusCode, headers, body, statusText }: Dispatcher.ResponseData,
  url: URL,
  { replyBytes }: ClientSettings,
): Promise<ClientReply> {
  const announced = Number(headers["content-length"] ?? 0);
  const chunks: Buffer[] = [];
  let size = 0;
  const tooLarge = (bytes: number) => fail("PAYLOAD_TOO_LARGE", `the answer of ${url.host}`, bytes, replyBytes);
  if (announced > replyBytes && method !== "HEAD") {
    // Its end is told as an error that nobody needs.
    body.on("error", () => {}).destroy();
    throw tooLarge(announced);
  }
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > replyBytes) throw tooLarge(size);
    chunks.push(chunk);
  }
  const header = Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value ?? ""]).flatMap((each) => [name, each]),
  );
  return { statusCode, statusText, header, body: Buffer.concat(chunks, size) };
}

function without(header: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i < header.length; i += 2) {
    if (!names.has(header[i]!.toLowerCase())) kept.push(header[i]!, header[i + 1]!);
  }
  return kept;
}

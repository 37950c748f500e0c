import { connect } from "node:net";
import { Packr, Unpackr } from "msgpackr";
import type { InvokeOptions, Link, Listeners, Provider } from "../../capabilities/index.ts";
import { type FakeContext, type FakeLinkOptions, fakeContext, fakeLink } from "../fakes.ts";

/** What an actor was asked. */
export interface Asked {
  readonly link: Link;
  readonly operation: string;
  readonly payload: Uint8Array;
  readonly options: InvokeOptions;
}

export type Actor = (asked: Asked) => Uint8Array | Promise<Uint8Array>;

/** A place on the web: one link of a server, in front of an actor that is a function. */
export interface HttpSite extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly web: Provider;
  readonly link: Link;
  /** What the server told its host of this actor. */
  readonly lines: () => readonly string[];
  /** Requests whose connection is there and whose answer is not. */
  readonly underWay: () => number;
}

export interface HttpSiteOptions extends FakeLinkOptions {
  readonly values?: Readonly<Record<string, string>>;
}

export type OpenSite = (actor: Actor, options?: HttpSiteOptions) => Promise<HttpSite>;
/** Adds one behaviour to the suite. Sites are links of one server, those of `openAlone` each of its own. */
export type Behaviour = (title: string, body: (openSite: OpenSite, openAlone: OpenSite) => Promise<void>) => void;

/** A started HTTP server and the actors that are linked to it. */
export class HttpSites {
  readonly #web: Provider;
  readonly #actors = new Map<string, Actor>();
  readonly #context: FakeContext;
  #underWay = 0;
  #made = 0;

  private constructor(web: Provider, listeners: Pick<Listeners, "claim">) {
    this.#web = web;
    this.#context = fakeContext(
      async (link, operation, payload, options) => {
        const actor = this.#actors.get(link.id);
        return actor!({ link, operation, payload, options });
      },
      (address, owner, handler) =>
        listeners.claim(address, owner, (request, response) => {
          this.#underWay++;
          response.once("close", () => this.#underWay--);
          handler(request, response);
        }),
    );
  }

  static async start(web: Provider, listeners: Pick<Listeners, "claim">): Promise<HttpSites> {
    const sites = new HttpSites(web, listeners);
    await web.start?.(sites.#context);
    return sites;
  }

  async open(actor: Actor, { values = { port: "0" }, ...options }: HttpSiteOptions = {}): Promise<HttpSite> {
    const name = `actor${++this.#made}`;
    const web = this.#web;
    const link = fakeLink(values, { contractId: "wasmcloud:httpserver", name, ...options });
    this.#actors.set(link.id, actor);
    const status = await web.putLink?.(link);
    const url = status?.urls?.[0] ?? "";
    return {
      url,
      port: Number(new URL(url).port),
      web,
      link,
      lines: () => this.#context.lines.flatMap(({ text }) => (text.includes(`${name} `) ? [text] : [])),
      underWay: () => this.#underWay,
      [Symbol.asyncDispose]: async () => {
        await web.deleteLink?.(link);
      },
    };
  }
}

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

export const packed = (value: unknown): Uint8Array => new Uint8Array(packr.pack(value));
export const ok: Uint8Array = packed({ statusCode: 200, header: {}, body: Buffer.from("ok") });

/** A request as the actor of E2, E3 or E4 got it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly queryString: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** Reads a request map with an implementation that is not ours. */
export function seen(payload: Uint8Array): SeenRequest {
  const request = unpackr.unpack(payload) as SeenRequest;
  return { ...request, body: Buffer.from(request.body) };
}

/** Sends text over a socket of its own and gives what came back until the server closed, or `enough` says so. */
export function speak(
  port: number,
  parts: string | readonly (string | (() => Promise<unknown>))[],
  enough: (text: string) => boolean = () => false,
  host = "127.0.0.1",
): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, host);
    const finish = () => {
      socket.destroy();
      resolve(text);
    };
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (enough(text)) finish();
    });
    socket.on("close", finish);
    socket.on("error", (error) => (text === "" ? reject(error) : finish()));
    socket.on("connect", () => {
      void (async () => {
        for (const part of typeof parts === "string" ? [parts] : parts) {
          if (typeof part === "string") socket.write(part, "latin1");
          else await part();
        }
      })();
    });
  });
}

/** Whether a whole answer with `content-length` has come, `times` of them. */
export function answered(times = 1): (text: string) => boolean {
  return (text) => {
    let rest = text;
    for (let i = 0; i < times; i++) {
      const end = rest.indexOf("\r\n\r\n");
      if (end < 0) return false;
      const length = Number(/content-length: (\d+)/i.exec(rest.slice(0, end))?.[1] ?? 0);
      if (rest.length < end + 4 + length) return false;
      rest = rest.slice(end + 4 + length);
    }
    return true;
  };
}

import { connect } from "node:net";
import { Unpackr } from "msgpackr";
import {
  type HttpServerOptions,
  type InvokeOptions,
  type Link,
  type Provider,
  httpServer,
} from "../../capabilities/index.ts";
import { type ListenerOptions, Listeners } from "../../host/listeners.ts";
import { type FakeContext, type FakeLinkOptions, fakeContext, fakeLink } from "../support/capabilities.ts";

/** What an actor was asked. */
export interface Asked {
  readonly link: Link;
  readonly operation: string;
  readonly payload: Uint8Array;
  readonly options: InvokeOptions;
}

export type Actor = (asked: Asked) => Uint8Array | Promise<Uint8Array>;

/** An HTTP server on a real socket in front of an actor that is a function. */
export interface HttpSite extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly web: Provider;
  readonly link: Link;
  readonly context: FakeContext;
  readonly listeners: Listeners;
}

export interface HttpSiteOptions extends FakeLinkOptions {
  readonly values?: Readonly<Record<string, string>>;
  readonly server?: HttpServerOptions;
  readonly listeners?: ListenerOptions;
}

export async function openSite(actor: Actor, options: HttpSiteOptions = {}): Promise<HttpSite> {
  const { values = { port: "0" }, server = {}, listeners: listenerOptions = {}, ...linkOptions } = options;
  const listeners = new Listeners(listenerOptions);
  const context = fakeContext(
    (to, operation, payload, invokeOptions) => actor({ link: to, operation, payload, options: invokeOptions }),
    (address, owner, handler) => listeners.claim(address, owner, handler),
  );
  const web = httpServer(server);
  await web.start?.(context);
  const link = fakeLink(values, { contractId: "wasmcloud:httpserver", ...linkOptions });
  const status = await web.putLink?.(link);
  const url = status?.urls?.[0] ?? "";
  return {
    url,
    port: Number(new URL(url).port),
    web,
    link,
    context,
    listeners,
    async [Symbol.asyncDispose]() {
      await listeners.close();
      await web.stop?.();
    },
  };
}

/** A request as the actor of E2, E3 or E4 got it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly queryString: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

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

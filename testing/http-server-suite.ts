import { after, describe, test } from "node:test";
import type { Listeners, Provider } from "../capabilities/index.ts";
import { answerBehaviours } from "./http-server/answers.ts";
import { lifeBehaviours } from "./http-server/life.ts";
import { PlainListeners } from "./http-server/plain-listeners.ts";
import { requestBehaviours } from "./http-server/requests.ts";
import { settingBehaviours } from "./http-server/settings.ts";
import { type Behaviour, HttpSites, type OpenSite } from "./http-server/site.ts";
import type { SuiteOptions } from "./server.ts";

/** An HTTP server that nobody started yet. Each of its links says where to listen. */
export interface HttpServerUnderTest {
  readonly provider: Provider;
  /** What its host gives it to listen with. Default: plain sockets, closed with it. */
  readonly listeners?: Listeners;
  readonly close?: () => Promise<void> | void;
}

/**
 * What every provider of `wasmcloud:httpserver` must do. Run it for each implementation. Most behaviours are links of
 * one server, so `open` is called a few times only.
 */
export function httpServerSuite(
  name: string,
  open: () => HttpServerUnderTest | Promise<HttpServerUnderTest>,
  { skip = false }: SuiteOptions = {},
): void {
  void describe(`${name} as an HTTP server`, { skip }, () => {
    const ends: (() => Promise<void>)[] = [];
    const start = async (): Promise<HttpSites> => {
      const { provider, listeners, close } = await open();
      const plain = new PlainListeners();
      ends.push(async () => {
        await plain.close();
        await provider.stop?.();
        await close?.();
      });
      return HttpSites.start(provider, listeners ?? plain);
    };
    let shared: Promise<HttpSites> | undefined;
    const openSite: OpenSite = async (actor, options) => (await (shared ??= start())).open(actor, options);
    const openAlone: OpenSite = async (actor, options) => (await start()).open(actor, options);
    const behaviour: Behaviour = (title, body) => void test(title, () => body(openSite, openAlone));

    requestBehaviours(behaviour);
    answerBehaviours(behaviour);
    settingBehaviours(behaviour);
    lifeBehaviours(behaviour);
    after(async () => Promise.all(ends.map((end) => end())));
  });
}

import { httpServer, type HttpServerOptions } from "../../capabilities/index.ts";
import { type ListenerOptions, Listeners } from "../../host/listeners.ts";
import { type Actor, type HttpSite, type HttpSiteOptions, HttpSites } from "../support/http-site.ts";

export * from "../support/http-site.ts";

export interface OwnSiteOptions extends HttpSiteOptions {
  readonly server?: HttpServerOptions;
  readonly listeners?: ListenerOptions;
}

/** A server of its own for this actor: ours, on the host's own listeners. */
export async function openSite(
  actor: Actor,
  { server = {}, listeners: listenerOptions = {}, ...options }: OwnSiteOptions = {},
): Promise<HttpSite & { readonly listeners: Listeners }> {
  const listeners = new Listeners(listenerOptions);
  const web = httpServer(server);
  const end = async () => {
    await listeners.close();
    await web.stop?.();
  };
  try {
    const site = await (await HttpSites.start(web, listeners)).open(actor, options);
    return { ...site, listeners, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

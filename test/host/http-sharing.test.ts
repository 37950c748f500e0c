import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as ask } from "node:http";
import { Agent, request as askSecurely } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { HttpHandler, ListenerOwner } from "../../capabilities/index.ts";
import { httpServer } from "../../capabilities/index.ts";
import { startHost } from "../../host/index.ts";
import { Listeners } from "../../host/listeners.ts";
import { fileBytes } from "../support/actors.ts";
import { example } from "../support/examples.ts";
import { localhostTls } from "../support/localhost-tls.ts";
import { until } from "../support/until.ts";

const answering =
  (text: string): HttpHandler =>
  (_request, response) =>
    void response.writeHead(200, { "content-length": text.length }).end(text);

const owner = (id: string, more: Partial<ListenerOwner> = {}): ListenerOwner => ({ id, name: `actor ${id}`, ...more });

function get(url: string, host?: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const secure = url.startsWith("https:");
  const options = {
    headers: host === undefined ? {} : { host },
    ...(secure && { agent: new Agent({ ca: localhostTls.cert }) }),
  };
  const request = (secure ? askSecurely : ask)(url, options, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (part: string) => (text += part));
    response.on("end", () => resolve(`${response.statusCode} ${text.trim()}`));
  });
  request.on("error", reject).end();
  return promise;
}

test("actors that each name their hosts or paths share an address; the most exact one gets the request", async () => {
  const listeners = new Listeners();
  const all = await listeners.claim("127.0.0.1:0", owner("all", { route: { path: "/" } }), answering("all"));
  const { address, url } = all;
  const claim = (id: string, route: NonNullable<ListenerOwner["route"]>) =>
    listeners.claim(address, owner(id, { route }), answering(id));
  const shop = await claim("shop", { path: "/shop" });
  await claim("cart", { path: "/shop/cart" });
  await claim("api", { host: "api.test" });
  await claim("domain", { host: "*.test" });
  assert.equal(shop.url, `${url}/shop`);
  const rows = [
    ["/", "x", "all"],
    ["/shop", "x", "shop"],
    ["/shop?a=/shop/cart", "x", "shop"],
    ["/shop/", "x", "shop"],
    ["/shopping", "x", "all"],
    ["/shop/cart/1", "x", "cart"],
    ["/shop", "API.test:80", "api"],
    ["/shop", "www.test", "domain"],
    ["/", "test", "all"],
  ] as const;
  for (const [path, host, text] of rows) assert.equal(await get(url + path, host), `200 ${text}`, `${host}${path}`);
  await shop.release();
  assert.equal(await get(`${url}/shop`), "200 all");
  await all.release();
  assert.match(await get(`${url}/`), /^404 no actor answers/);
  assert.deepEqual(listeners.addresses, [address]);
  await listeners.close();
});

test("the same route twice, or a route beside an owner of the whole address, is refused with both names", async () => {
  const listeners = new Listeners();
  const { address } = await listeners.claim("127.0.0.1:0", owner("a", { route: { path: "/x" } }), answering("a"));
  for (const rival of [owner("b", { route: { path: "/x" } }), owner("c")])
    await assert.rejects(listeners.claim(address, rival, answering("b")), {
      code: "ADDRESS_TAKEN",
      message: `${address} already serves actor a, so ${rival.name} cannot have it`,
    });
  const alone = await listeners.claim("127.0.0.1:0", owner("d"), answering("d"));
  await assert.rejects(listeners.claim(alone.address, owner("e", { route: { path: "/" } }), answering("e")), {
    code: "ADDRESS_TAKEN",
  });
  assert.equal(await get(alone.url), "200 d");
  await listeners.close();
});

test("an owner changes its route without a gap, and a held one keeps the others' requests out of its queue", async () => {
  const listeners = new Listeners();
  const first = await listeners.claim("127.0.0.1:0", owner("a", { route: { path: "/a" } }), answering("a"));
  await listeners.claim(first.address, owner("b", { route: { path: "/b" } }), answering("b"));
  const base = `http://${first.address}`;
  const again = await listeners.claim(first.address, owner("a", { route: { path: "/new" } }), answering("moved"));
  assert.equal(await get(`${base}/new`), "200 moved");
  assert.match(await get(`${base}/a`), /^404/);
  const end = listeners.hold("a");
  await again.release();
  const waiting = get(`${base}/new`);
  await until(() => listeners.waiting === 1);
  assert.equal(await get(`${base}/b`), "200 b");
  await listeners.claim(first.address, owner("a", { route: { path: "/new" } }), answering("back"));
  assert.equal(await waiting, "200 back");
  await end();
  await listeners.close();
});

test("an address with TLS is served with TLS, takes a new certificate, and is not shared with one without", async () => {
  const listeners = new Listeners();
  const { address, url } = await listeners.claim("127.0.0.1:0", owner("a", { tls: localhostTls }), answering("a"));
  assert.match(url, /^https:/);
  assert.equal(await get(url), "200 a");
  await listeners.claim(address, owner("a", { tls: localhostTls }), answering("again"));
  assert.equal(await get(url), "200 again");
  await assert.rejects(listeners.claim(address, owner("a"), answering("plain")), {
    code: "ADDRESS_UNAVAILABLE",
    message: /open with TLS/,
  });
  const wrong = { cert: localhostTls.key, key: localhostTls.cert };
  await assert.rejects(listeners.claim("127.0.0.1:0", owner("b", { tls: wrong }), answering("b")), {
    code: "LINK_VALUES_INVALID",
    message: /certificate and key of actor b/,
  });
  await listeners.close();
});

test("links say host, path and TLS files, in their values or in the JSON of earlier hosts", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tls-"));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  writeFileSync(cert, localhostTls.cert);
  writeFileSync(key, localhostTls.key);
  await using host = await startHost();
  const actor = await host.startActor(await host.load(fileBytes(example("echo-c")), "echo"));
  const web = await host.startProvider(httpServer());
  const config = JSON.stringify({ address: "127.0.0.1:0", tls: { cert_file: cert, priv_key_file: key } });
  const link = await host.link(actor, web, { values: { config_json: config, path: "/in" } });
  assert.match(link.urls[0]!, /^https:\/\/127\.0\.0\.1:\d+\/in$/);
  assert.match(await get(link.urls[0]!), /^200/);
  assert.match(await get(link.urls[0]!.replace("/in", "/out")), /^404/);
  const bad = { path: "x y", host: "a b", tls_cert_file: cert };
  await assert.rejects(host.link(actor, web, { linkName: "bad", values: bad }), {
    code: "LINK_VALUES_INVALID",
    message: /host "a b".*path "x y".*tls needs both/,
  });
  const none = { tls_cert_file: join(folder, "none"), tls_priv_key_file: key, address: "127.0.0.1:0" };
  await assert.rejects(host.link(actor, web, { linkName: "bad", values: none }), {
    code: "LINK_VALUES_INVALID",
    message: /tls: .*ENOENT/,
  });
  rmSync(folder, { recursive: true, force: true });
});

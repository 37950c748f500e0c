import assert from "node:assert/strict";
import { Agent, createServer as createHttpServer, get } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import type { HttpHandler } from "../../capabilities/index.ts";
import { Listeners } from "../../host/listeners.ts";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/until.ts";
import { answered, speak } from "./http-site.ts";

const owner = (id: string) => ({ id, name: `actor ${id}` });
const answering =
  (text: string): HttpHandler =>
  (_request, response) =>
    void response.writeHead(200, { "content-length": text.length }).end(text);
const body = async (url: string) => (await fetch(url)).text();
const request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

test("a claim for any free port tells which one it got", async () => {
  const listeners = new Listeners();
  const lease = await listeners.claim("127.0.0.1:0", owner("a"), answering("a"));
  assert.match(lease.address, /^127\.0\.0\.1:[1-9]\d*$/);
  assert.equal(lease.url, `http://${lease.address}`);
  assert.deepEqual(listeners.addresses, [lease.address]);
  assert.equal(await body(lease.url), "a");
  await listeners.close();
});

test("the same owner puts another handler behind the socket; open connections stay open", async () => {
  const listeners = new Listeners();
  const first = await listeners.claim("127.0.0.1:0", owner("a"), answering("old"));
  const port = Number(first.address.split(":")[1]);
  let text = "";
  const talk = speak(
    port,
    [
      request,
      () => until(() => text.endsWith("old")),
      () => listeners.claim(first.address, owner("a"), answering("new")),
      request,
    ],
    (so) => ((text = so), so.endsWith("new")),
  );
  await talk;
  assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 2, "on one connection");
  await first.release();
  assert.equal(await body(first.url), "new", "the lease of the handler before may not close the socket");
  await listeners.close();
});

test("a claim that asked for any free port finds its socket again", async () => {
  const listeners = new Listeners();
  const first = await listeners.claim("127.0.0.1:0", owner("a"), answering("1"));
  const again = await listeners.claim("127.0.0.1:0", owner("a"), answering("2"));
  assert.equal(again.address, first.address);
  const other = await listeners.claim("127.0.0.1:0", owner("b"), answering("3"));
  assert.notEqual(other.address, first.address);
  await listeners.close();
});

test("an address that another owner holds is refused with both names", async () => {
  const listeners = new Listeners();
  const { address } = await listeners.claim("127.0.0.1:0", owner("a"), answering("a"));
  await assert.rejects(listeners.claim(address, owner("b"), answering("b")), {
    code: "ADDRESS_TAKEN",
    message: `${address} already serves actor a, so actor b cannot have it`,
  });
  const port = address.split(":")[1];
  await assert.rejects(listeners.claim(`0.0.0.0:${port}`, owner("b"), answering("b")), { code: "ADDRESS_TAKEN" });
  await listeners.close();
});

test("two claims at the same moment: one gets the address, the other the reason", async () => {
  const listeners = new Listeners();
  const free = await freePort();
  const results = await Promise.allSettled([
    listeners.claim(`127.0.0.1:${free}`, owner("a"), answering("a")),
    listeners.claim(`127.0.0.1:${free}`, owner("b"), answering("b")),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected"],
  );
  assert.equal(await body(`http://127.0.0.1:${free}`), "a");
  await listeners.close();
});

test("an address given up is free for another owner at once, also while a request is still in flight", async () => {
  const listeners = new Listeners();
  let finish: (() => void) | undefined;
  const lease = await listeners.claim("127.0.0.1:0", owner("a"), (_request, response) => {
    finish = () => response.writeHead(200, { "content-length": 4 }).end("late");
  });
  const inFlight = body(lease.url);
  await until(() => finish);
  const released = lease.release();
  const next = await listeners.claim(lease.address, owner("b"), answering("b"));
  assert.equal(await body(next.url), "b");
  finish?.();
  assert.equal(await inFlight, "late");
  await released;
  await lease.release();
  assert.equal(await body(next.url), "b", "a second release is harmless");
  await listeners.close();
});

test("an address that another process holds is an error, with and without sharing", async () => {
  for (const held of [{ reusePort: false }, { reusePort: true }]) {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen({ host: "127.0.0.1", port: 0, ...held }, resolve));
    const { port } = other.address() as AddressInfo;
    for (const reusePort of [false, true]) {
      const said: string[] = [];
      const listeners = new Listeners({ reusePort, onError: (text) => said.push(text) });
      await assert.rejects(listeners.claim(`127.0.0.1:${port}`, owner("a"), answering("a")), {
        code: "ADDRESS_UNAVAILABLE",
        message: `cannot listen on 127.0.0.1:${port}: another process uses it`,
      });
      assert.deepEqual([listeners.addresses, said], [[], []]);
      await listeners.close();
    }
    await new Promise((resolve) => other.close(resolve));
  }
});

test("an address that failed may be claimed again once it is free", async () => {
  const other = createHttpServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as AddressInfo;
  const listeners = new Listeners();
  await assert.rejects(listeners.claim(`127.0.0.1:${port}`, owner("a"), answering("a")), {
    code: "ADDRESS_UNAVAILABLE",
  });
  await new Promise((resolve) => other.close(resolve));
  const lease = await listeners.claim(`127.0.0.1:${port}`, owner("a"), answering("a"));
  assert.equal(await body(lease.url), "a");
  await listeners.close();
});

test("an address that is none, or none of this machine's, is refused with the reason", async () => {
  const listeners = new Listeners();
  for (const address of ["nonsense", "127.0.0.1", "127.0.0.1:70000", "[::1:80", "a b:80", ""]) {
    await assert.rejects(
      listeners.claim(address, owner("a"), answering("a")),
      { code: "ADDRESS_UNAVAILABLE" },
      address,
    );
  }
  await assert.rejects(listeners.claim("192.0.2.1:0", owner("a"), answering("a")), /this machine has no such address/);
  await listeners.close();
});

test("engines of one host share a port, and each gets connections", async () => {
  const first = new Listeners({ reusePort: true });
  const second = new Listeners({ reusePort: true });
  const { address, url } = await first.claim("127.0.0.1:0", owner("a"), answering("1"));
  await second.claim(address, { ...owner("a"), joins: true }, answering("2"));
  const heard = new Set<string>();
  await until(async () => {
    const agent = new Agent({ keepAlive: false });
    heard.add(
      await new Promise<string>((resolve, reject) => {
        get(url, { agent }, (response) => response.setEncoding("utf8").on("data", resolve)).on("error", reject);
      }),
    );
    return heard.size === 2;
  });
  await first.close();
  assert.equal(await body(url), "2", "the other goes on");
  await second.close();
});

test("connections are counted until they close", async () => {
  const listeners = new Listeners();
  const { address } = await listeners.claim("127.0.0.1:0", owner("a"), answering("a"));
  assert.equal(listeners.connections, 0);
  let open = 0;
  await speak(Number(address.split(":")[1]), request, (text) => ((open = listeners.connections), answered()(text)));
  assert.equal(open, 1);
  await until(() => listeners.connections === 0);
  await listeners.close();
});

test("draining closes idle connections, lets requests in flight finish and says that the connection closes", async () => {
  const listeners = new Listeners();
  let finish: (() => void) | undefined;
  const lease = await listeners.claim("127.0.0.1:0", owner("a"), (incoming, response) => {
    const send = () => response.writeHead(200, { "content-length": 2 }).end("ok");
    if (incoming.url === "/slow") finish = send;
    else send();
  });
  const port = Number(lease.address.split(":")[1]);
  let idleText = "";
  const idle = speak(port, request, (so) => ((idleText = so), false));
  await until(() => idleText.endsWith("ok"));
  const slow = speak(port, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  await until(() => finish);
  let drained = false;
  const draining = listeners.drain(10_000).then(() => (drained = true));
  await idle;
  assert.equal(drained, false);
  finish?.();
  assert.match(await slow, /\r\nConnection: close\r\n[\s\S]*ok$/);
  await draining;
  await assert.rejects(fetch(lease.url));
  await assert.rejects(listeners.claim("127.0.0.1:0", owner("a"), answering("a")), { code: "STOPPED" });
});

test("what has not finished at the deadline of a drain is cut off", async () => {
  const listeners = new Listeners();
  let asked = false;
  const lease = await listeners.claim("127.0.0.1:0", owner("a"), () => void (asked = true));
  const never = speak(Number(lease.address.split(":")[1]), request);
  await until(() => asked);
  await listeners.drain(50);
  assert.equal(await never, "");
  await listeners.close();
});

test("while an owner's sockets are held, requests wait for its next handler", async () => {
  const listeners = new Listeners();
  const lease = await listeners.claim("127.0.0.1:0", owner("a"), answering("old"));
  const end = listeners.hold("a");
  await lease.release();
  const waiting = body(lease.url);
  await until(() => listeners.waiting === 1);
  await listeners.claim(lease.address, owner("a"), answering("new"));
  assert.equal(await waiting, "new");
  await end();
  assert.equal(await body(lease.url), "new");
  await listeners.close();
});

test("a hold that ends without a handler closes the socket and refuses who waited", async () => {
  const listeners = new Listeners();
  const lease = await listeners.claim("127.0.0.1:0", owner("a"), answering("old"));
  const end = listeners.hold("a");
  await lease.release();
  const waiting = fetch(lease.url);
  await until(() => listeners.waiting === 1);
  await end();
  assert.equal((await waiting).status, 503);
  await assert.rejects(fetch(lease.url));
  await listeners.close();
});

/** The HTTP server in a process of its own: the host keeps sockets and connections, requests go there. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { childProvider, type Host, startHost } from "../../index.ts";
import { fileBytes } from "../support/actors.ts";
import { freePort } from "../support/free-port.ts";
import { Requests, statusOf } from "../support/http-load.ts";
import { until } from "../support/until.ts";

const httpModule = fileURLToPath(new URL("../support/http-module.ts", import.meta.url));
const echoFile = fileURLToPath(new URL("../../actors/examples/echo-rust/echo.wasm", import.meta.url));
const patience = 60_000;

const echoOn = async (host: Host) => await host.startActor(await host.load(fileBytes(echoFile), "echo"));

test("the HTTP server goes to a process of its own and back, with another port, and no connection is cut", async () => {
  await using host = await startHost();
  const server = await host.startProvider("builtin:httpserver");
  const echo = await host.startActor(await host.load(fileBytes(echoFile), "echo"));
  const { urls } = await host.link(echo, server, { values: { address: `127.0.0.1:${await freePort()}` } });
  const url = urls[0]!;
  const other = `127.0.0.1:${await freePort()}`;
  const loads = [new Requests(url, false), new Requests(url, true)];
  const busy = async () => {
    const before = loads.map(({ answered }) => answered);
    await until(() => loads.every(({ answered }, at) => answered > before[at]! + 50));
  };
  for (let round = 0; round < 2; round++) {
    await busy();
    const there = await host.swapProvider(
      server,
      await childProvider(httpModule, { network: true, settings: { bodyBytes: 10, also: [other] } }),
      { trialMs: 20 },
    );
    assert.deepEqual([there.outcome, there.lost], ["swapped", 0]);
    await busy();
    assert.equal(await statusOf(url, "x".repeat(100)), 413);
    assert.equal(await statusOf(`http://${other}/`, "x"), 200);
    const back = await host.swapProvider(server, "builtin:httpserver", { trialMs: 20 });
    assert.deepEqual([back.outcome, back.lost], ["swapped", 0]);
    await busy();
    assert.equal(await statusOf(url, "x".repeat(100)), 200);
    await assert.rejects(statusOf(`http://${other}/`, "x"), /fetch failed/);
  }
  const ends = await Promise.all(loads.map((load) => load.stop()));
  assert.deepEqual(ends, [[], []]);
});

test("with engines of their own the HTTP server stays in them, and the refusal says why and what to do", async () => {
  await using host = await startHost({ engines: 1, logLevel: "silent" });
  const server = await host.startProvider("builtin:httpserver");
  const { urls } = await host.link(await echoOn(host), server, { values: { address: "127.0.0.1:0" } });
  const child = await childProvider(httpModule, { network: true });
  await assert.rejects(host.swapProvider(server, child), { code: "SWAP_REFUSED", message: /--engines 0, or stop/ });
  await child.stop();
  assert.equal(await statusOf(urls[0]!, "x"), 200);
});

test("requests, bodies, refusals and answers are the same from a process of its own", async () => {
  await using host = await startHost();
  const echo = await echoOn(host);
  const server = await host.startProvider(await childProvider(httpModule, { network: true }));
  const { urls } = await host.link(echo, server, { values: { address: "127.0.0.1:0", cache_control: "max-age=60" } });
  const url = urls[0]!;
  const answer = await fetch(`${url}/a/b?c=d`, {
    method: "POST",
    body: "x".repeat(200_000),
    headers: { "x-mine": "é" },
  });
  assert.equal(answer.status, 200);
  assert.equal((await answer.text()).length, 200_000);
  const head = await fetch(url, { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("cache-control"), await head.text()], [200, "max-age=60", ""]);
  assert.equal(await statusOf(url, "x".repeat(2 * 1024 * 1024)), 413);
  const [engine] = await host.fleet.stats();
  assert.equal(engine?.requests["4xx"], 1);
});

test("a process that dies answers 503 for what it held, and serves the same address when it is back", async () => {
  await using host = await startHost({ limits: { healthMs: 100 } });
  const echo = await echoOn(host);
  const child = await childProvider(httpModule, { network: true });
  const server = await host.startProvider(child);
  const { urls } = await host.link(echo, server, { values: { address: `127.0.0.1:${await freePort()}` } });
  const ask = async () => await statusOf(urls[0]!, "x").catch(() => 0);
  assert.equal(await ask(), 200);
  const { pid } = child;
  process.kill(pid!, "SIGKILL");
  await until(async () => child.pid !== undefined && child.pid !== pid && (await ask()) === 200, patience);
});

test("a body that the process does not take is refused before it fills the host", async () => {
  await using host = await startHost();
  const echo = await echoOn(host);
  const child = await childProvider(httpModule, { network: true });
  const { urls } = await host.link(echo, await host.startProvider(child), { values: { address: "127.0.0.1:0" } });
  assert.equal(await statusOf(urls[0]!, "x"), 200);
  process.kill(child.pid!, "SIGSTOP");
  const piece = Buffer.alloc(1024 * 1024);
  let sent = 0;
  const asking = request(urls[0]!, { method: "POST" });
  asking.on("error", () => {});
  const answered = new Promise<number>((resolve) => {
    asking.once("response", (response) => resolve(response.resume().statusCode ?? 0));
    asking.once("close", () => resolve(0));
  });
  const most = 256;
  const send = (): void => {
    if (asking.destroyed || sent === most) return;
    sent++;
    asking.write(piece, () => setImmediate(send));
  };
  send();
  assert.equal(await answered, 503);
  assert.ok(sent < most);
  asking.destroy();
  process.kill(child.pid!, "SIGKILL");
});

test("a process that did not declare the network opens none of the host's listeners", async () => {
  await using host = await startHost();
  const echo = await echoOn(host);
  const server = await host.startProvider(await childProvider(httpModule));
  await assert.rejects(host.link(echo, server, { values: { address: "127.0.0.1:0" } }), { code: "PRECONDITION" });
});

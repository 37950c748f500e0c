import assert from "node:assert/strict";
import { test } from "node:test";
import { Packr } from "msgpackr";
import { until } from "../support/until.ts";
import { answered, openSite, type OwnSiteOptions, seen, speak } from "./http-site.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const head = "POST / HTTP/1.1\r\nHost: a\r\n";

function chunked(size: number): string {
  return `${head}Transfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n${"x".repeat(size)}\r\n0\r\n\r\n`;
}

/** A request whose head has a line of `size` characters. */
function withHead(size: number): string {
  return `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${"x".repeat(size)}\r\n\r\n`;
}

/** A site whose actor answers with the number of bytes it got. */
function counting(options: OwnSiteOptions = {}) {
  let calls = 0;
  const site = openSite(
    ({ payload }) => {
      calls++;
      return packr.pack({ statusCode: 200, header: {}, body: Buffer.from(String(seen(payload).body.length)) });
    },
    { server: { bodyBytes: 1_000 }, ...options },
  );
  return { site, calls: () => calls };
}

test("a body of exactly the limit passes, one byte more is answered with 413 and never reaches the actor", async () => {
  const { site: opening, calls } = counting();
  await using site = await opening;
  assert.equal(await (await fetch(site.url, { method: "POST", body: "x".repeat(1_000) })).text(), "1000");
  assert.match(await speak(site.port, chunked(1_000), answered()), /^HTTP\/1\.1 200 /);
  const before = calls();
  assert.equal((await fetch(site.url, { method: "POST", body: "x".repeat(1_001) })).status, 413);
  assert.match(await speak(site.port, chunked(1_001), answered()), /^HTTP\/1\.1 413 Payload Too Large\r\n/);
  assert.equal(calls(), before);
});

test("the answer to a body too large comes before the body does, and the connection stays usable", async () => {
  const { site: opening } = counting();
  await using site = await opening;
  let text = "";
  await speak(
    site.port,
    [
      `${head}Content-Length: 1500\r\n\r\n`,
      () => until(() => text.includes("413")),
      "x".repeat(1_500),
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    (so) => ((text = so), answered(2)(so)),
  );
  assert.match(text, /HTTP\/1\.1 413 [\s\S]*HTTP\/1\.1 200 OK[\s\S]*\r\n\r\n0$/);
});

test("who goes on sending far beyond the limit is cut off", async () => {
  const { site: opening, calls } = counting();
  await using site = await opening;
  const flood = Array.from({ length: 40 }, () => `10000\r\n${"x".repeat(65_536)}\r\n`);
  const started = performance.now();
  const text = await speak(site.port, [`${head}Transfer-Encoding: chunked\r\n\r\n`, ...flood]).catch(() => "reset");
  assert.ok(text === "reset" || /413/.test(text), text.slice(0, 80));
  assert.ok(performance.now() - started < 30_000, "not by the time limit of a request");
  await until(() => site.listeners.connections === 0);
  assert.equal(calls(), 0);
});

test("who waits for 100 Continue gets it, or the refusal instead", async () => {
  const { site: opening, calls } = counting();
  await using site = await opening;
  let text = "";
  const expect = "Expect: 100-continue\r\n";
  await speak(
    site.port,
    [`${head}${expect}Content-Length: 5\r\n\r\n`, () => until(() => text.includes("100 Continue")), "hello"],
    (so) => ((text = so), so.includes("200 OK") && so.endsWith("5")),
  );
  assert.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
  const refused = await speak(site.port, `${head}${expect}Content-Length: 5000\r\n\r\n`);
  assert.match(refused, /^HTTP\/1\.1 413 /);
  assert.match(refused, /\r\nConnection: close\r\n/, "the body will not come, so the connection is of no more use");
  assert.match(
    await speak(site.port, `${head}Expect: miracles\r\nContent-Length: 1\r\n\r\nx`, (so) => so.includes("\r\n\r\n")),
    /^HTTP\/1\.1 417 /,
  );
  assert.equal(calls(), 1);
});

test("a head over its limit is answered with 431", async () => {
  const { site: opening } = counting({ listeners: { headerBytes: 2_000 } });
  await using site = await opening;
  assert.match(await speak(site.port, withHead(1_500), answered()), /^HTTP\/1\.1 200 /);
  assert.match(await speak(site.port, withHead(2_500)), /^HTTP\/1\.1 431 /);
});

test("16 KiB of head is the standard", async () => {
  const { site: opening } = counting();
  await using site = await opening;
  assert.match(await speak(site.port, withHead(15_000), answered()), /^HTTP\/1\.1 200 /);
  assert.match(await speak(site.port, withHead(17_000)), /^HTTP\/1\.1 431 /);
});

test("a head, or a body, that takes too long is answered with 408", async () => {
  const { site: opening, calls } = counting({ listeners: { headerMs: 150, requestMs: 300 } });
  await using site = await opening;
  assert.match(await speak(site.port, "GET / HTTP/1.1\r\nHost:"), /^HTTP\/1\.1 408 /);
  assert.match(await speak(site.port, `${head}Content-Length: 10\r\n\r\nslow`), /^HTTP\/1\.1 408 /);
  assert.equal(calls(), 0);
  await until(() => site.listeners.connections === 0);
  await site.web.drain?.();
});

test("an idle connection is closed after its time", async () => {
  const { site: opening } = counting({ listeners: { idleMs: 100 } });
  await using site = await opening;
  const started = performance.now();
  const text = await speak(site.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(text, /^HTTP\/1\.1 200 /);
  assert.ok(performance.now() - started < 30_000, "not by the usual time");
});

test("what is no HTTP is answered with 400", async () => {
  const { site: opening, calls } = counting();
  await using site = await opening;
  for (const garbage of [
    "\x16\x03\x01 tls\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    `${head}Content-Length: -1\r\n\r\n`,
  ]) {
    assert.match(await speak(site.port, garbage), /^HTTP\/1\.1 400 /, JSON.stringify(garbage));
  }
  assert.match(
    await speak(site.port, `${head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
    /^HTTP\/1\.1 400 /,
  );
  assert.equal(calls(), 0);
});

test("a link may set a body limit of its own", async () => {
  const { site: opening } = counting({ values: { port: "0", max_content_len: "2k" } });
  await using site = await opening;
  assert.equal((await fetch(site.url, { method: "POST", body: "x".repeat(2_048) })).status, 200);
  assert.equal((await fetch(site.url, { method: "POST", body: "x".repeat(2_049) })).status, 413);
});

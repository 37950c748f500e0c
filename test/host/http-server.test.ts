import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as fc from "../support/fast-check.ts";
import { childProvider, httpServer } from "../../index.ts";
import { Listeners } from "../../host/listeners.ts";
import { fail } from "../../lattice/index.ts";
import { httpServerSuite } from "../../testing/index.ts";
import { until } from "../support/until.ts";
import { answered, type Asked, ok, openSite, packed, seen, speak } from "./http-site.ts";

httpServerSuite("the HTTP server", () => {
  const listeners = new Listeners();
  return { provider: httpServer(), listeners, close: () => listeners.close() };
});
const httpModule = fileURLToPath(new URL("../support/http-module.ts", import.meta.url));
httpServerSuite("the HTTP server in a process of its own", async () => ({
  provider: await childProvider(httpModule, { network: true }),
}));

// --- what our own does beyond that ---------------------------------------------------------------

test("the values a link took effect with open the same port in another engine of the host, and only there", async () => {
  const sharing = { listeners: { reusePort: true } };
  await using first = await openSite(() => packed({ body: Buffer.from("1") }), sharing);
  const status = await first.web.putLink?.(first.link);
  await using second = await openSite(() => packed({ body: Buffer.from("2") }), {
    ...sharing,
    values: status?.values ?? {},
  });
  assert.equal(second.url, first.url);
  const heard = new Set<string>();
  await until(async () => {
    const text = await speak(first.port, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    return heard.add(text.slice(-1)).size === 2;
  });
  const { address = "" } = status?.values ?? {};
  await assert.rejects(
    openSite(() => ok, { ...sharing, values: { address } }),
    { code: "ADDRESS_UNAVAILABLE" },
  );
});

test("any set of request headers reaches the actor as it was sent, many names and odd spellings too", async () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,14}$/).filter((each) => !reserved.has(each.toLowerCase()));
  const value = fc.stringMatching(/^[!-~]{0,40}$/);
  let payload = ok;
  for (const era of ["E4", "E3"] as const) {
    await using site = await openSite((each) => ((payload = each.payload.slice()), ok), { era });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 60 }), async (pairs) => {
        const lines = pairs.map(([each, its]) => `${each}: ${its}\r\n`).join("");
        await speak(site.port, `GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`, answered());
        const expected = new Map<string, string[]>([["host", ["a"]]]);
        for (const [each, its] of pairs)
          expected.set(each.toLowerCase(), [...(expected.get(each.toLowerCase()) ?? []), its]);
        const { header } = seen(payload);
        assert.deepEqual(new Set(Object.keys(header)), new Set(expected.keys()));
        for (const [each, values] of expected) {
          assert.deepEqual(header[each], era === "E4" ? values : values.join(each === "cookie" ? "; " : ", "), each);
        }
      }),
      { numRuns: 60 },
    );
  }
});

const reserved = new Set(
  "host connection keep-alive te trailer upgrade expect cookie transfer-encoding content-length".split(" "),
);

test("an address may be IPv6", async (context) => {
  let site;
  try {
    site = await openSite(() => ok, { values: { address: "[::1]:0" } });
  } catch {
    context.skip("this machine has no IPv6");
    return;
  }
  await using open = site;
  assert.match(open.url, /^http:\/\/\[::1\]:\d+$/);
  assert.equal(await (await fetch(open.url)).text(), "ok");
});

test("a client that goes away in mid-call aborts the call, also when its signal is read later", async () => {
  const asked: Asked[] = [];
  await using site = await openSite((each) => {
    asked.push(each);
    return new Promise<Uint8Array>(() => {});
  });
  const requests = [1, 2].map(() => httpRequest(site.url).on("error", () => {}));
  for (const request of requests) request.end();
  await until(() => asked.length === 2);
  const { signal } = asked[0]!.options;
  assert.equal(signal?.aborted, false);
  for (const request of requests) request.destroy();
  await until(() => signal.aborted);
  await until(() => site.listeners.connections === 0);
  assert.equal(asked[1]!.options.signal?.aborted, true);
});

test("an error that is none of the catalogue's is 500 and says nothing of itself", async () => {
  await using site = await openSite(() => Promise.reject(new TypeError("of the inside")));
  const answer = await fetch(site.url);
  const text = await answer.text();
  assert.equal(answer.status, 500);
  assert.match(text, /INTERNAL/);
  assert.doesNotMatch(text, /inside/);
});

test("a failing actor under load does not drown the operator's log", async () => {
  await using site = await openSite(() => Promise.reject(fail("GUEST_FAILED", "a", "b", "c")));
  for (let i = 0; i < 200; i++) await speak(site.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", answered());
  assert.ok(site.lines().length >= 20 && site.lines().length < 200, String(site.lines().length));
});

test("random replies never break the server", async () => {
  let reply = ok;
  for (const era of ["E0", "E1", "E4"] as const) {
    await using site = await openSite(() => reply, { era });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (given) => {
        reply = given;
        const text = await speak(site.port, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert.match(text, /^HTTP\/1\.1 [2-5]\d\d /);
      }),
      { numRuns: 100 },
    );
  }
});

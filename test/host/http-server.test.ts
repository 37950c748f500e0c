import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { test } from "node:test";
import * as fc from "fast-check";
import { Packr } from "msgpackr";
import { type Era, fail } from "../../lattice/index.ts";
import { bytes, fakeLink, hex } from "../support/capabilities.ts";
import { until } from "../support/until.ts";
import { type Asked, answered, openSite, seen, speak } from "./http-site.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const packed = (value: unknown): Uint8Array => new Uint8Array(packr.pack(value));
const ok = packed({ statusCode: 200, header: {}, body: Buffer.from("ok") });
const replies: Record<Era, string> = {
  E0: "08c801 12024f4b 220d7b22636f756e746572223a357d",
  E1: "94 ccc8 a24f4b 80 dc000d 7b22636f756e746572223a357d",
  E2: "84aa737461747573436f6465ccc8a6737461747573a24f4ba668656164657280a4626f6479c40d7b22636f756e746572223a357d",
  E3: "84aa737461747573436f6465ccc8a6737461747573a24f4ba668656164657280a4626f6479c40d7b22636f756e746572223a357d",
  E4: "83a4626f6479c40d7b22636f756e746572223a357da668656164657280aa737461747573436f6465ccc8",
};

test("an actor of every era is asked under its operation, in its encoding, and its answer goes out", async () => {
  const requests: Record<Era, string> = {
    E0: "0a03474554 12022f61 1a03623d63",
    E1: "95a3474554a22f61a3623d638090",
    E2: "85a66d6574686f64a3474554a470617468a22f61ab7175657279537472696e67a3623d63a668656164657280a4626f6479c400",
    E3: "85a66d6574686f64a3474554a470617468a22f61ab7175657279537472696e67a3623d63a668656164657280a4626f6479c400",
    E4: "85a66d6574686f64a3474554a470617468a22f61ab7175657279537472696e67a3623d63a668656164657280a4626f6479c400",
  };
  for (const era of ["E0", "E1", "E2", "E3", "E4"] as const) {
    const asked: Asked[] = [];
    await using site = await openSite(
      (each) => {
        asked.push(each);
        return bytes(replies[era]);
      },
      { era },
    );
    // HTTP/1.0 needs no Host line, so that the header is empty as in the vectors.
    const answer = await speak(site.port, "GET /a?b=c HTTP/1.0\r\n\r\n");
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/, era);
    assert.match(answer, /content-length: 13\r\n/, era);
    assert.ok(answer.endsWith('\r\n\r\n{"counter":5}'), era);
    assert.equal(asked[0]?.operation, era === "E4" ? "HttpServer.HandleRequest" : "HandleRequest");
    assert.equal(hex(asked[0]?.payload ?? ok), requests[era].replaceAll(" ", ""), era);
  }
});

test("an AssemblyScript actor gets maps whatever its year, and may answer with status_code", async () => {
  const asked: Asked[] = [];
  await using site = await openSite(
    (each) => {
      asked.push(each);
      return bytes("83 ab7374617475735f636f6465 cd0194 a668656164657280 a4626f6479 936e6f70 00".replaceAll(" ", ""));
    },
    { era: "E1", language: "assemblyscript" },
  );
  const answer = await fetch(`${site.url}/`);
  assert.equal(answer.status, 404);
  assert.equal(await answer.text(), "nop");
  assert.equal(seen(asked[0]!.payload).path, "/");
});

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

test("an update may change an actor's era: the next request is encoded for the new one", async () => {
  const asked: Asked[] = [];
  await using site = await openSite((each) => {
    asked.push(each);
    return bytes(replies[each.link.linkedActor.era]);
  });
  assert.equal((await fetch(site.url)).status, 200);
  Object.assign(site.link.linkedActor, { era: "E0" });
  assert.equal((await fetch(site.url)).status, 200);
  assert.deepEqual(
    asked.map(({ operation }) => operation),
    ["HttpServer.HandleRequest", "HandleRequest"],
  );
  assert.equal(asked[1]?.payload[0], 0x0a);
});

test("bodies arrive whole: announced, chunked, in pieces, empty", async () => {
  await using site = await openSite(({ payload }) => packed({ body: seen(payload).body }));
  const send = async (text: string | string[]) => (await speak(site.port, text, answered())).split("\r\n\r\n")[1];
  const head = "POST / HTTP/1.1\r\nHost: a\r\n";
  assert.equal(await send(`${head}Content-Length: 5\r\n\r\nhello`), "hello");
  assert.equal(await send([`${head}Content-Length: 5\r\n\r\n`, "he", "llo"]), "hello");
  assert.equal(await send(`${head}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n`), "hello");
  assert.equal(await send(`${head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`), "");
  assert.equal(await send(`${head}Content-Length: 0\r\n\r\n`), "");
  assert.equal(await send(head + "\r\n"), "");
  const large = Buffer.alloc(1024 * 1024, "x");
  const echoed = await fetch(site.url, { method: "PUT", body: large });
  assert.deepEqual(Buffer.from(await echoed.arrayBuffer()), large);
});

test("the path is raw and without query; a proxy's whole URL becomes a path", async () => {
  const asked: Asked[] = [];
  await using site = await openSite((each) => (asked.push(each), ok));
  const targets: [string, string, string][] = [
    ["/a%20b/../c?x=1&y=%C3%A9?z", "/a%20b/../c", "x=1&y=%C3%A9?z"],
    ["/?", "/", ""],
    ["//double", "//double", ""],
    ["http://other.example:80/p?q", "/p", "q"],
    ["http://other.example", "/", ""],
  ];
  for (const [target, path, query] of targets) {
    await speak(site.port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, answered());
    const { path: got, queryString } = seen(asked.at(-1)!.payload);
    assert.deepEqual([got, queryString], [path, query], target);
  }
  await speak(site.port, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", answered());
  assert.equal(seen(asked.at(-1)!.payload).path, "*");
});

test("repeated request headers are lists for E4 and one text for the eras before", async () => {
  const lines = "X-A: 1\r\nAccept: text/html\r\nx-a: 2\r\nCookie: a=1\r\ncookie: b=2\r\nX-A: 3\r\nX-Empty:\r\n";
  for (const era of ["E4", "E2"] as const) {
    const asked: Asked[] = [];
    await using site = await openSite((each) => (asked.push(each), ok), { era });
    await speak(site.port, `GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`, answered());
    const { header } = seen(asked[0]!.payload);
    if (era === "E4") {
      assert.deepEqual(header, {
        host: ["a"],
        "x-a": ["1", "2", "3"],
        accept: ["text/html"],
        cookie: ["a=1", "b=2"],
        "x-empty": [""],
      });
    } else {
      assert.deepEqual(header, { host: "a", "x-a": "1, 2, 3", accept: "text/html", cookie: "a=1; b=2", "x-empty": "" });
    }
  }
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

test("headers of the connection stay with the connection, both ways", async () => {
  const asked: Asked[] = [];
  const header = {
    Connection: ["upgrade, x-private"],
    "Keep-Alive": ["timeout=1"],
    "Transfer-Encoding": ["chunked"],
    Upgrade: ["h2c"],
    Trailer: ["x"],
    "Content-Length": ["99999"],
    "X-Kept": ["yes"],
  };
  await using site = await openSite(
    (each) => (asked.push(each), packed({ statusCode: 200, header, body: Buffer.from("body") })),
  );
  const lines =
    "Connection: close, X-Hop\r\nX-Hop: secret\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: x\r\nX-Stay: 1\r\n";
  const answer = await speak(site.port, `GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`);
  assert.deepEqual(seen(asked[0]!.payload).header, { host: ["a"], "x-stay": ["1"] });
  const [head, body] = answer.split("\r\n\r\n");
  assert.equal(body, "body");
  assert.match(head ?? "", /\r\nX-Kept: yes/);
  assert.match(head ?? "", /\r\ncontent-length: 4\b/);
  assert.match(head ?? "", /\r\nConnection: close\b/);
  assert.doesNotMatch(head ?? "", /chunked|h2c|99999|Trailer|x-private|timeout=1/i);
});

test("text beyond ASCII survives in header values, in UTF-8 and in Latin-1", async () => {
  const asked: Asked[] = [];
  await using site = await openSite(
    (each) => (asked.push(each), packed({ statusCode: 200, header: { "x-name": ["Zoë ☃"] }, body: Buffer.from("é") })),
  );
  const utf8 = Buffer.from("Zoë ☃").toString("latin1");
  const head = `GET / HTTP/1.1\r\nHost: a\r\nX-Utf8: ${utf8}\r\nX-Latin: Zo\xeb\r\n\r\n`;
  const answer = await speak(site.port, head, answered());
  const { header } = seen(asked[0]!.payload);
  assert.deepEqual([header["x-utf8"], header["x-latin"]], [["Zoë ☃"], ["Zoë"]]);
  assert.ok(Buffer.from(answer, "latin1").toString().includes("x-name: Zoë ☃\r\n"));
  assert.ok(answer.endsWith("\r\n\r\n" + Buffer.from("é").toString("latin1")));
});

test("an answer may repeat headers; cookies come one a line in every era", async () => {
  const cookies = ["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/", "b=2; Secure", "c=3"];
  const answers: [Era, unknown][] = [
    ["E4", { statusCode: 200, header: { "set-cookie": cookies, Vary: ["a", "b"] }, body: Buffer.from("") }],
    [
      "E2",
      {
        statusCode: 200,
        status: "OK",
        header: { "Set-Cookie": cookies.join(", "), Vary: "a, b" },
        body: Buffer.from(""),
      },
    ],
  ];
  for (const [era, answer] of answers) {
    await using site = await openSite(() => packed(answer), { era });
    const got = await fetch(site.url);
    assert.deepEqual(got.headers.getSetCookie(), cookies, era);
    assert.equal(got.headers.get("vary"), "a, b");
  }
});

test("HEAD has no body and the length that GET would have; the actor may say that length itself", async () => {
  await using site = await openSite(({ payload }) =>
    seen(payload).path === "/told"
      ? packed({ statusCode: 200, header: { "content-length": ["1234"] }, body: Buffer.alloc(0) })
      : packed({ statusCode: 200, header: {}, body: Buffer.from("twelve bytes") }),
  );
  for (const [path, length] of [
    ["/", "12"],
    ["/told", "1234"],
  ] as const) {
    const both = `HEAD ${path} HTTP/1.1\r\nHost: a\r\n\r\nHEAD ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    const text = await speak(site.port, both);
    assert.equal(text.match(/HTTP\/1\.1 200 OK/g)?.length, 2, "nothing of a body between two answers");
    assert.equal(text.match(new RegExp(`content-length: ${length}\\r\\n`, "g"))?.length, 2);
    assert.ok(text.endsWith("\r\n\r\n"));
  }
});

test("answers that may have no body have none, and no length", async () => {
  await using site = await openSite(({ payload }) =>
    packed({ statusCode: Number(seen(payload).path.slice(1)), header: {}, body: Buffer.from("not for you") }),
  );
  for (const status of [204, 304]) {
    const text = await speak(site.port, `GET /${status} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.doesNotMatch(text, /content-length|chunked|not for you/i);
  }
});

test("a large answer goes out whole", async () => {
  const large = Buffer.alloc(3_000_000, "0123456789");
  await using site = await openSite(() => packed({ statusCode: 200, header: {}, body: large }));
  const answer = await fetch(site.url);
  assert.equal(answer.headers.get("content-length"), "3000000");
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), large);
});

test("a body of any bytes goes through unchanged, small and large", async () => {
  await using site = await openSite(({ payload }) => packed({ body: seen(payload).body }));
  const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  for (const body of [every, Buffer.concat(Array.from({ length: 100 }, () => every))]) {
    const answer = await fetch(site.url, { method: "POST", body });
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), body);
  }
});

test("one connection carries many requests, also when they are sent ahead of the answers", async () => {
  let count = 0;
  await using site = await openSite(async ({ payload }) => {
    const { path } = seen(payload);
    if (path === "/1") await until(() => count >= 1);
    count++;
    return packed({ body: Buffer.from(path) });
  });
  const three = ["/1", "/2", "/3"].map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join("");
  const text = await speak(site.port, three, answered(3));
  assert.deepEqual(text.match(/\/\d(?=HTTP|$)/g), ["/1", "/2", "/3"], "answers in the order of requests");
});

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

test("a client that goes away in mid-call aborts the call", async () => {
  let signal: AbortSignal | undefined;
  await using site = await openSite(({ options }) => {
    ({ signal } = options);
    return new Promise<Uint8Array>(() => {});
  });
  const request = httpRequest(site.url).on("error", () => {});
  request.end();
  await until(() => signal !== undefined);
  assert.equal(signal?.aborted, false);
  request.destroy();
  await until(() => signal?.aborted);
});

test("a client that goes away while it sends leaves nothing behind", async () => {
  let calls = 0;
  await using site = await openSite(() => (calls++, ok));
  const gone = httpRequest(site.url, { method: "POST", headers: { "content-length": "100" } }).on("error", () => {});
  gone.write("part");
  await until(() => site.listeners.connections > 0);
  gone.destroy();
  await until(() => site.listeners.connections === 0);
  await site.web.drain?.();
  assert.equal(calls, 0);
});

test("a signal read after its client went is already aborted, and an answer then goes nowhere", async () => {
  let answer: ((reply: Uint8Array) => void) | undefined;
  let asked: Asked | undefined;
  await using site = await openSite((each) => {
    asked = each;
    return new Promise((resolve) => (answer = resolve));
  });
  const request = httpRequest(site.url).on("error", () => {});
  request.end();
  await until(() => asked !== undefined);
  request.destroy();
  await until(() => site.listeners.connections === 0);
  assert.equal(asked?.options.signal?.aborted, true);
  answer?.(ok);
  await site.web.drain?.();
  assert.deepEqual(site.context.lines, []);
});

test("errors answer with the catalogue's status and say nothing of the inside", async () => {
  const secret = "Mactorkey and tcp://10.0.0.1 secret";
  const errors: [unknown, number, string][] = [
    [fail("LINK_ABSENT", secret, secret, secret), 403, "LINK_ABSENT"],
    [fail("ACTOR_ABSENT", secret), 404, "ACTOR_ABSENT"],
    [fail("QUEUE_FULL", secret, 1_000), 503, "QUEUE_FULL"],
    [fail("DEADLINE_EXCEEDED", secret, 1), 504, "DEADLINE_EXCEEDED"],
    [fail("GUEST_FAILED", secret, secret, secret), 500, "GUEST_FAILED"],
    [fail("GUEST_CPU_EXCEEDED", secret, secret, 1), 504, "GUEST_CPU_EXCEEDED"],
    [fail("PROVIDER_FAILED", secret, secret, secret), 502, "PROVIDER_FAILED"],
    [fail("HOPS_EXCEEDED", secret, 16), 508, "HOPS_EXCEEDED"],
    [fail("PAYLOAD_TOO_LARGE", secret, 1, 1), 413, "PAYLOAD_TOO_LARGE"],
    [new TypeError(secret), 500, "INTERNAL"],
  ];
  let error: unknown;
  await using site = await openSite(() => Promise.reject(error));
  for (const [each, status, code] of errors) {
    error = each;
    const json = await fetch(site.url, { headers: { accept: "application/json" } });
    assert.equal(json.status, status, code);
    assert.equal(json.headers.get("content-type"), "application/json");
    const told = await json.text();
    assert.doesNotMatch(told, /secret|10\.0\.0\.1|Mactor/);
    const body = JSON.parse(told) as { error: { code: string; message: string; trace_id: string } };
    assert.equal(body.error.code, code);
    assert.match(body.error.trace_id, /^[0-9a-f]{32}$/);
    assert.ok(body.error.message.length > 10);
    if (status === 503) assert.equal(json.headers.get("retry-after"), "1");
    const text = await fetch(site.url, { headers: { accept: "text/html, text/plain" } });
    assert.match(text.headers.get("content-type") ?? "", /^text\/plain/);
    const line = await text.text();
    assert.ok(line.includes(code) && line.startsWith(String(status)) && !line.includes("secret"), line);
  }
  assert.ok(
    site.context.lines.some(({ text }) => text.includes("secret")),
    "the operator is told",
  );
});

test("a failing actor under load does not drown the operator's log", async () => {
  await using site = await openSite(() => Promise.reject(fail("GUEST_FAILED", "a", "b", "c")));
  for (let i = 0; i < 200; i++) await speak(site.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", answered());
  assert.ok(site.context.lines.length >= 20 && site.context.lines.length < 200, String(site.context.lines.length));
});

test("an answer that no HTTP client could take is contained: 502, and the connection goes on", async () => {
  const bad: unknown[] = [
    { statusCode: 200, header: { "x-a": ["a\r\nx-injected: 1"] }, body: Buffer.from("x") },
    { statusCode: 200, header: { "bad name": ["a"] }, body: Buffer.from("x") },
    { statusCode: 200, header: { "": ["a"] }, body: Buffer.from("x") },
    { statusCode: 200, header: { "x-a": ["nul\0"] }, body: Buffer.from("x") },
    { statusCode: 99, header: {}, body: Buffer.from("x") },
    { statusCode: 101, header: {}, body: Buffer.from("x") },
    { statusCode: 600, header: {}, body: Buffer.from("x") },
    { statusCode: -1, header: {}, body: Buffer.from("x") },
    { statusCode: 200, header: { "x-a": { b: 1 } }, body: Buffer.from("x") },
    { statusCode: 200, header: {}, body: [1, 2, 999] },
    "just text",
    42,
  ];
  let reply = ok;
  await using site = await openSite(() => reply);
  const forms = [...bad.map(packed), bytes(""), bytes("83a4626f"), bytes("dfffffffff")];
  for (const form of forms) {
    reply = form;
    const text = await speak(site.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", answered());
    assert.match(text, /^HTTP\/1\.1 502 Bad Gateway\r\n/, hex(form));
    assert.doesNotMatch(text, /injected/);
    assert.match(text, /REPLY_MALFORMED/);
    assert.match(text, /Connection: keep-alive/);
  }
  reply = ok;
  assert.equal((await fetch(site.url)).status, 200);
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

test("the caller's trace is carried on, a broken one replaced, a missing one made", async () => {
  const asked: Asked[] = [];
  await using site = await openSite((each) => (asked.push(each), ok));
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  await fetch(site.url, { headers: { traceparent, tracestate: "a=b" } });
  assert.deepEqual(asked[0]?.options.trace, { traceparent, tracestate: "a=b" });
  assert.deepEqual(seen(asked[0].payload).header["traceparent"], [traceparent]);
  await fetch(site.url, { headers: { traceparent: `00-${"0".repeat(32)}-00f067aa0ba902b7-01`, tracestate: "a=b" } });
  await fetch(site.url);
  const made = asked.slice(1).map(({ options }) => options.trace?.traceparent ?? "");
  for (const each of made) assert.match(each, /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$/);
  assert.equal(new Set(made).size, 2);
  assert.equal(asked[1]?.options.trace?.tracestate, undefined);
});

test("a request's own id comes back, unless the actor gave one or it is not fit for a header", async () => {
  await using site = await openSite(({ payload }) =>
    seen(payload).path === "/own" ? packed({ header: { "X-Request-Id": ["actor's"] } }) : ok,
  );
  const id = async (path: string, sent: string) =>
    (await fetch(site.url + path, { headers: { "x-request-id": sent } })).headers.get("x-request-id");
  assert.equal(await id("/", "abc-123"), "abc-123");
  assert.equal(await id("/own", "abc-123"), "actor's");
  assert.equal(await id("/", "x".repeat(129)), null);
  assert.equal((await fetch(site.url)).headers.get("x-request-id"), null);
});

test("the wait for the actor is the link's own where it says so", async () => {
  const asked: Asked[] = [];
  await using site = await openSite((each) => (asked.push(each), ok), { values: { port: "0", timeout_ms: "250" } });
  await fetch(site.url);
  assert.equal(asked[0]?.options.timeoutMs, 250);
});

test("a link for reading only refuses what writes, and says how to cache", async () => {
  await using site = await openSite(
    ({ payload }) => (seen(payload).path === "/own" ? packed({ header: { "Cache-Control": ["no-store"] } }) : ok),
    { values: { port: "0", readonly_mode: "true", cache_control: "max-age=60" } },
  );
  assert.equal((await fetch(site.url)).headers.get("cache-control"), "max-age=60");
  assert.equal((await fetch(`${site.url}/own`)).headers.get("cache-control"), "no-store");
  const refused = await fetch(site.url, { method: "POST", body: "x" });
  assert.equal(refused.status, 405);
  assert.equal(refused.headers.get("allow"), "GET, HEAD");
});

test("sites that the link names may use it from a browser; others are told nothing", async () => {
  const asked: Asked[] = [];
  const cors = {
    allowed_origins: ["https://app.example"],
    allowed_headers: ["x-token"],
    exposed_headers: ["x-count"],
    max_age_secs: 60,
  };
  await using site = await openSite((each) => (asked.push(each), ok), {
    values: { port: "0", config_json: JSON.stringify({ cors }) },
  });
  const preflight = async (origin: string) =>
    fetch(site.url, { method: "OPTIONS", headers: { origin, "access-control-request-method": "PUT" } });
  const allowed = await preflight("https://app.example");
  assert.equal(allowed.status, 204);
  assert.equal(allowed.headers.get("access-control-allow-origin"), "https://app.example");
  assert.match(allowed.headers.get("access-control-allow-methods") ?? "", /PUT/);
  assert.equal(allowed.headers.get("access-control-allow-headers"), "x-token");
  assert.equal(allowed.headers.get("access-control-max-age"), "60");
  assert.equal((await preflight("https://evil.example")).headers.get("access-control-allow-origin"), null);
  assert.equal(asked.length, 0, "the actor is not asked");
  const answer = await fetch(site.url, { headers: { origin: "https://app.example" } });
  assert.equal(answer.headers.get("access-control-allow-origin"), "https://app.example");
  assert.equal(answer.headers.get("access-control-expose-headers"), "x-count");
  assert.equal(answer.headers.get("vary"), "origin");
  assert.equal((await fetch(site.url)).headers.get("access-control-allow-origin"), null);
  assert.equal((await fetch(site.url, { method: "OPTIONS" })).status, 200, "a plain OPTIONS is the actor's");
});

test("a drained server answers what it holds, refuses what comes, and then is done", async () => {
  let answer: ((reply: Uint8Array) => void) | undefined;
  await using site = await openSite(() => new Promise((resolve) => (answer = resolve)));
  const held = fetch(site.url);
  await until(() => answer !== undefined);
  let drained = false;
  const draining = site.web.drain?.()?.then(() => (drained = true));
  const refused = await fetch(site.url);
  assert.equal(refused.status, 503);
  assert.equal(drained, false);
  answer?.(ok);
  assert.equal((await held).status, 200);
  await draining;
});

test("a put with other values moves the listener; the same revision again changes nothing; a delete closes it", async () => {
  await using site = await openSite(() => ok);
  const again = await site.web.putLink?.(site.link);
  assert.deepEqual(again?.urls, [site.url]);
  const values = { address: "localhost:0", max_content_len: "1k" };
  const moved = await site.web.putLink?.({ ...site.link, revision: 2, values });
  const url = moved?.urls?.[0] ?? "";
  assert.notEqual(url, site.url);
  assert.equal((await fetch(url)).status, 200);
  assert.equal((await fetch(url, { method: "POST", body: "x".repeat(1_025) })).status, 413);
  await assert.rejects(fetch(site.url));
  await site.web.deleteLink?.(site.link);
  await assert.rejects(fetch(url));
  await site.web.deleteLink?.(fakeLink({}, { name: "never put" }));
});

test("the values of a link are checked, and every problem is named at once", async () => {
  const bad: [Record<string, string>, RegExp][] = [
    [{ port: "99999" }, /99999/],
    [{ port: "http" }, /http/],
    [{ address: "nowhere" }, /nowhere/],
    [{ address: "127.0.0.1:80", port: "81" }, /disagree/],
    [{ port: "0", max_content_len: "lots", timeout_ms: "-1", readonly_mode: "maybe" }, /lots.*-1.*maybe/],
    [{ config_json: "{" }, /config_json/],
    [{ config_json: '{"tls":{"cert_file":"a"}}' }, /tls/],
    [{ config_json: '{"adress":"127.0.0.1:0"}' }, /adress/],
    [
      { config_json: '{"cors":{"allowed_origins":["nowhere"],"max_age_secs":-1,"color":1}}' },
      /max_age.*color.*origins/,
    ],
    [{ config_json: '{"cors":[]}' }, /cors/],
    [{ config_json: '{"address":{}}' }, /address must be text/],
    [{ config_file: "/etc/passwd" }, /config_file/],
    [{ port: "0", cache_control: "a\nb" }, /cache_control/],
  ];
  await using site = await openSite(() => ok);
  for (const [values, problem] of bad) {
    const link = fakeLink(values, { name: "other" });
    await assert.rejects(
      async () => site.web.putLink?.(link),
      (error: { code?: string; message: string }) => {
        assert.equal(error.code, "LINK_VALUES_INVALID");
        assert.match(error.message, problem);
        return true;
      },
    );
  }
});

test("addresses are taken in all the forms that users know", async () => {
  const forms: Record<string, string>[] = [
    { address: "127.0.0.1:0" },
    { address: "localhost", port: "0" },
    { address: ":0" },
    { PORT: "0" },
    { config_json: '{"address":"127.0.0.1:0","tls":{},"max_content_len":"10m","timeout_ms":100}' },
    { config_b64: Buffer.from('{"address":"127.0.0.1:0"}').toString("base64") },
  ];
  for (const values of forms) {
    await using site = await openSite(() => ok, { values });
    assert.match(site.url, /^http:\/\/(127\.0\.0\.1|localhost):[1-9]/);
    assert.equal((await fetch(site.url)).status, 200, JSON.stringify(values));
  }
});

test("an actor that asks the HTTP server for something is told that there is nothing to ask", async () => {
  await using site = await openSite(() => ok);
  assert.throws(
    () =>
      site.web.handle({ contractId: "wasmcloud:httpserver", operation: "Fly" } as Parameters<
        typeof site.web.handle
      >[0]),
    { code: "OPERATION_UNKNOWN" },
  );
});

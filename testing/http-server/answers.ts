import assert from "node:assert/strict";
import { type Era, fail } from "../../lattice/index.ts";
import { bytes, hex } from "../fakes.ts";
import { until } from "../until.ts";
import { answered, type Behaviour, ok, packed, seen, speak } from "./site.ts";

/** How what the actor answers, or fails with, reaches the client. */
export function answerBehaviours(behaviour: Behaviour): void {
  behaviour("an answer may repeat headers; cookies come one a line in every era", async (openSite) => {
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

  behaviour(
    "HEAD has no body and the length that GET would have; the actor may say that length itself",
    async (openSite) => {
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
    },
  );

  behaviour("answers that may have no body have none, and no length", async (openSite) => {
    await using site = await openSite(({ payload }) =>
      packed({ statusCode: Number(seen(payload).path.slice(1)), header: {}, body: Buffer.from("not for you") }),
    );
    for (const status of [204, 304]) {
      const text = await speak(site.port, `GET /${status} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.doesNotMatch(text, /content-length|chunked|not for you/i);
    }
  });

  behaviour("a large answer goes out whole", async (openSite) => {
    const large = Buffer.alloc(3_000_000, "0123456789");
    await using site = await openSite(() => packed({ statusCode: 200, header: {}, body: large }));
    const answer = await fetch(site.url);
    assert.equal(answer.headers.get("content-length"), "3000000");
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), large);
  });

  behaviour("one connection carries many requests, also when they are sent ahead of the answers", async (openSite) => {
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

  behaviour("errors answer with the catalogue's status and say nothing of the inside", async (openSite) => {
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
    await until(() => site.lines().some((line) => line.includes("secret")));
  });

  behaviour(
    "an answer that no HTTP client could take is contained: 502, and the connection goes on",
    async (openSite) => {
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
    },
  );
}

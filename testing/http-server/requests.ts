import assert from "node:assert/strict";
import { type Era, fail } from "../../lattice/index.ts";
import { bytes, hex } from "../fakes.ts";
import { until } from "../until.ts";
import { type Asked, answered, type Behaviour, ok, packed, seen, speak } from "./site.ts";

const replies: Record<Era, string> = {
  E0: "08c801 12024f4b 220d7b22636f756e746572223a357d",
  E1: "94 ccc8 a24f4b 80 dc000d 7b22636f756e746572223a357d",
  E2: "84aa737461747573436f6465ccc8a6737461747573a24f4ba668656164657280a4626f6479c40d7b22636f756e746572223a357d",
  E3: "84aa737461747573436f6465ccc8a6737461747573a24f4ba668656164657280a4626f6479c40d7b22636f756e746572223a357d",
  E4: "83a4626f6479c40d7b22636f756e746572223a357da668656164657280aa737461747573436f6465ccc8",
};

/** How a request reaches the actor, in each era. Source: waPC and actors reference, section 11.1. */
export function requestBehaviours(behaviour: Behaviour): void {
  behaviour(
    "an actor of every era is asked under its operation, in its encoding, and its answer goes out",
    async (openSite) => {
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
    },
  );

  behaviour(
    "an AssemblyScript actor gets maps whatever its year, and may answer with status_code",
    async (openSite) => {
      const asked: Asked[] = [];
      await using site = await openSite(
        (each) => {
          asked.push(each);
          return bytes(
            "83 ab7374617475735f636f6465 cd0194 a668656164657280 a4626f6479 936e6f70 00".replaceAll(" ", ""),
          );
        },
        { era: "E1", language: "assemblyscript" },
      );
      const answer = await fetch(`${site.url}/`);
      assert.equal(answer.status, 404);
      assert.equal(await answer.text(), "nop");
      assert.equal(seen(asked[0]!.payload).path, "/");
    },
  );

  behaviour("an update may change an actor's era: the next request is encoded for the new one", async (openSite) => {
    const asked: Asked[] = [];
    await using site = await openSite((each) => {
      asked.push(each);
      return bytes(replies[each.link.linkedActor.era]);
    });
    assert.equal((await fetch(site.url)).status, 200);
    Object.assign(site.link.linkedActor, { era: "E0" });
    site.web.actorChanged?.(site.link);
    assert.equal((await fetch(site.url)).status, 200);
    assert.deepEqual(
      asked.map(({ operation }) => operation),
      ["HttpServer.HandleRequest", "HandleRequest"],
    );
    assert.equal(asked[1]?.payload[0], 0x0a);
  });

  behaviour("a request under way in an update is answered in the era that it was asked in", async (openSite) => {
    let answer: ((reply: Uint8Array) => void) | undefined;
    await using site = await openSite(() => new Promise((resolve) => (answer = resolve)), { era: "E0" });
    const asked = fetch(site.url);
    await until(() => answer !== undefined);
    Object.assign(site.link.linkedActor, { era: "E4" });
    site.web.actorChanged?.(site.link);
    answer!(bytes(replies.E0));
    assert.equal(await (await asked).text(), '{"counter":5}');
  });

  behaviour(
    "a request that an update overtakes on its way is sent again, as the actor speaks now",
    async (openSite) => {
      const asked: Asked[] = [];
      await using site = await openSite(
        (each) => {
          asked.push(each);
          if (asked.length > 1) return ok;
          Object.assign(site.link.linkedActor, { era: "E4" });
          site.web.actorChanged?.(site.link);
          throw fail("ERA_CHANGED", "it");
        },
        { era: "E0" },
      );
      assert.equal((await fetch(site.url, { method: "POST", body: "b" })).status, 200);
      assert.equal(seen(asked[1]!.payload).body.toString(), "b");
    },
  );

  behaviour("bodies arrive whole: announced, chunked, in pieces, empty", async (openSite) => {
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

  behaviour("the path is raw and without query; a proxy's whole URL becomes a path", async (openSite) => {
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

  behaviour("repeated request headers are lists for E4 and one text for the eras before", async (openSite) => {
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
        assert.deepEqual(header, {
          host: "a",
          "x-a": "1, 2, 3",
          accept: "text/html",
          cookie: "a=1; b=2",
          "x-empty": "",
        });
      }
    }
  });

  behaviour("headers of the connection stay with the connection, both ways", async (openSite) => {
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

  behaviour("text beyond ASCII survives in header values, in UTF-8 and in Latin-1", async (openSite) => {
    const asked: Asked[] = [];
    await using site = await openSite(
      (each) => (
        asked.push(each),
        packed({ statusCode: 200, header: { "x-name": ["Zoë ☃"] }, body: Buffer.from("é") })
      ),
    );
    const utf8 = Buffer.from("Zoë ☃").toString("latin1");
    const head = `GET / HTTP/1.1\r\nHost: a\r\nX-Utf8: ${utf8}\r\nX-Latin: Zo\xeb\r\n\r\n`;
    const answer = await speak(site.port, head, answered());
    const { header } = seen(asked[0]!.payload);
    assert.deepEqual([header["x-utf8"], header["x-latin"]], [["Zoë ☃"], ["Zoë"]]);
    assert.ok(Buffer.from(answer, "latin1").toString().includes("x-name: Zoë ☃\r\n"));
    assert.ok(answer.endsWith("\r\n\r\n" + Buffer.from("é").toString("latin1")));
  });

  behaviour("a body of any bytes goes through unchanged, small and large", async (openSite) => {
    await using site = await openSite(({ payload }) => packed({ body: seen(payload).body }));
    const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    for (const body of [every, Buffer.concat(Array.from({ length: 100 }, () => every))]) {
      const answer = await fetch(site.url, { method: "POST", body });
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), body);
    }
  });

  behaviour("the caller's trace is carried on, a broken one replaced, a missing one made", async (openSite) => {
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

  behaviour(
    "a request's own id comes back, unless the actor gave one or it is not fit for a header",
    async (openSite) => {
      await using site = await openSite(({ payload }) =>
        seen(payload).path === "/own" ? packed({ header: { "X-Request-Id": ["actor's"] } }) : ok,
      );
      const id = async (path: string, sent: string) =>
        (await fetch(site.url + path, { headers: { "x-request-id": sent } })).headers.get("x-request-id");
      assert.equal(await id("/", "abc-123"), "abc-123");
      assert.equal(await id("/own", "abc-123"), "actor's");
      assert.equal(await id("/", "x".repeat(129)), null);
      assert.equal((await fetch(site.url)).headers.get("x-request-id"), null);
    },
  );
}

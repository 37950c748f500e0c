import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Packr, Unpackr } from "msgpackr";
import type { Link, Provider } from "../capabilities/index.ts";
import type { Era } from "../lattice/index.ts";
import { bytes, fakeCall, fakeContext, fakeLink, hex } from "./fakes.ts";
import { hello, serve } from "./http-client/world.ts";
import type { SuiteOptions } from "./server.ts";
import { type OpenedProvider, startedOnce } from "./started-once.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** A provider of the contract; one serves all behaviours. */
export type HttpClientUnderTest = OpenedProvider;

interface Wish {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  readonly body?: string;
  readonly deadlineMs?: number;
}

interface Got {
  readonly statusCode: number;
  readonly header: Readonly<Record<string, readonly string[]>>;
  readonly body: Uint8Array;
}

/** An actor that asks the world, of E4 where nothing else is said. */
type Ask = (url: string, wish?: Wish) => Promise<Got>;

/** Links as users of ours know them. Source: docs/providers.md, HTTP client. */
const local = { allow_private: "true" };

class Client {
  readonly provider: Provider;
  #links = 0;

  constructor(provider: Provider) {
    this.provider = provider;
  }

  async link(values: Readonly<Record<string, string>> = local, era: Era = "E4"): Promise<Link> {
    const name = `asker${++this.#links}`;
    const link = fakeLink(values, { era, name, contractId: "wasmcloud:httpclient" });
    await this.provider.putLink?.(link);
    return link;
  }

  async asker(values: Readonly<Record<string, string>> = local): Promise<Ask> {
    const link = await this.link(values);
    return async (url, { method = "GET", headers = {}, body = "", deadlineMs = 20_000 } = {}) => {
      const payload = packr.pack({ method, url, headers, body: Buffer.from(body) });
      const deadline = performance.now() + deadlineMs;
      const call = fakeCall("E4", "HttpClient.Request", payload, { link, deadline });
      return unpackr.unpack(await this.provider.handle(call)) as Got;
    };
  }
}

/** What every provider of `wasmcloud:httpclient` must do. Run it for each implementation. */
export function httpClientSuite(
  name: string,
  open: () => HttpClientUnderTest | Promise<HttpClientUnderTest>,
  { skip = false }: SuiteOptions = {},
): void {
  void describe(`${name} as an HTTP client`, { skip }, () => {
    const provider = startedOnce(open, fakeContext());
    const behaviour = (title: string, body: (client: Client) => Promise<void>): void => {
      void test(title, async () => {
        await body(new Client(await provider()));
      });
    };

    behaviour(
      "a request of each era is sent, and its answer comes back in the encoding of that era",
      async (client) => {
        await using world = await serve(hello);
        const url = `${world.url}/p?q=1`;
        // Source: waPC and actors reference, section 11.2.
        const map = (fields: object) => hex(packr.pack(fields));
        const text = (tag: number, value: string) =>
          Buffer.concat([Buffer.from([(tag << 3) | 2, value.length]), Buffer.from(value)]).toString("hex");
        const whole = { method: "GET", queryString: "", header: {}, body: Buffer.of() };
        const rows: [Era, string, string, RegExp][] = [
          ["E0", "PerformRequest", text(1, "GET") + text(2, url), /^08c801/],
          ["E1", "PerformRequest", hex(packr.pack(["GET", url, "", {}, []])), /^94ccc8a24f4b/],
          ["E2", "PerformRequest", map({ ...whole, path: url }), /^84aa737461747573436f6465ccc8a6737461747573a24f4b/],
          ["E3", "Request", map({ method: "GET", url, headers: {}, body: Buffer.of() }), /a6737461747573a24f4b/],
          ["E4", "HttpClient.Request", map({ method: "GET", url, headers: { a: ["1"] }, body: Buffer.of() }), /^83aa/],
        ];
        for (const [era, operation, payload, form] of rows) {
          const link = await client.link(local, era);
          const reply = await client.provider.handle(fakeCall(era, operation, bytes(payload), { link }));
          assert.match(hex(reply), form, era);
          assert.match(Buffer.from(reply).toString("latin1"), /hi/, era);
          assert.match(Buffer.from(reply).toString("latin1"), /x-two/, era);
          assert.equal(world.seen.at(-1)!.url, "/p?q=1", era);
        }
      },
    );

    behaviour(
      "method, headers and body arrive, repeated headers come back as lists, and the connection's own stay here",
      async (client) => {
        await using world = await serve((request, response) => {
          response.statusCode = 201;
          response.setHeader("set-cookie", ["a=1", "b=2"]);
          request.pipe(response);
        });
        const ask = await client.asker();
        const got = await ask(world.url, {
          method: "post",
          headers: { "X-A": ["1", "2"], Host: ["evil"], Connection: ["close"], "Content-Length": ["999"] },
          body: "body",
        });
        assert.deepEqual([got.statusCode, Buffer.from(got.body).toString()], [201, "body"]);
        assert.deepEqual(got.header["set-cookie"], ["a=1", "b=2"]);
        const [{ method, headers } = assert.fail()] = world.seen;
        assert.deepEqual([method, headers["x-a"], headers["content-length"]], ["POST", "1, 2", "4"]);
        assert.equal(headers.host, `127.0.0.1:${world.port}`);
      },
    );

    behaviour("any bytes go out and come back, a megabyte of them too", async (client) => {
      await using world = await serve((request, response) => request.pipe(response));
      const link = await client.link();
      const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      for (const body of [every, Buffer.alloc(1_000_000, every), Buffer.of()]) {
        const payload = packr.pack({ method: "POST", url: world.url, headers: {}, body });
        const reply = await client.provider.handle(fakeCall("E4", "HttpClient.Request", payload, { link }));
        assert.ok(body.equals((unpackr.unpack(reply) as Got).body), `${body.length} bytes`);
      }
    });

    behaviour("sixty-four callers at once get each the own answer", async (client) => {
      await using world = await serve((request, response) => response.end(request.url));
      const ask = await client.asker();
      await Promise.all(
        Array.from({ length: 64 }, async (_, caller) => {
          for (let i = 0; i < 4; i++) {
            const { body } = await ask(`${world.url}/${caller}/${i}`);
            assert.equal(Buffer.from(body).toString(), `/${caller}/${i}`);
          }
        }),
      );
      assert.equal(world.seen.length, 256);
    });

    behaviour(
      "hosts that are not public are refused unless the link allows them, behind a name too",
      async (client) => {
        await using world = await serve(hello);
        const ask = await client.asker({});
        const shown = "127.0.0.1 [::1] [::ffff:127.0.0.1] localhost 2130706433 0x7f.1 10.0.0.1 169.254.169.254";
        for (const host of shown.split(" "))
          await assert.rejects(ask(`http://${host}:${world.port}/`), { code: "HTTP_HOST_REFUSED" }, host);
        assert.deepEqual(world.seen, []);
      },
    );

    behaviour("a link's list of hosts holds after a redirect, which takes no credentials along", async (client) => {
      await using other = await serve(hello);
      await using world = await serve((request, response) => {
        const to = request.url === "/out" ? "http://localhost.invalid/" : `http://localhost:${other.port}/there`;
        response.writeHead(302, { location: to }).end();
      });
      const ask = await client.asker({ ...local, allow: `127.0.0.1, LOCALHOST:${other.port}` });
      const headers = { Authorization: ["secret"], "x-a": ["1"] };
      const got = await ask(`${world.url}/in`, { method: "POST", headers, body: "b" });
      assert.equal(got.statusCode, 200);
      const [second = assert.fail()] = other.seen;
      assert.deepEqual([second.method, second.headers.authorization, second.headers["x-a"]], ["GET", undefined, "1"]);
      await assert.rejects(ask(`${world.url}/out`), { code: "HTTP_HOST_REFUSED", message: /does not allow/ });
      await assert.rejects(ask("http://example.com/"), { code: "HTTP_HOST_REFUSED" });
    });

    behaviour("redirects are counted, and handed on where a link wants none", async (client) => {
      await using world = await serve((_, response) => response.writeHead(307, { location: "/again" }).end());
      const ask = await client.asker({ ...local, max_redirects: "2" });
      await assert.rejects(ask(world.url), { code: "HTTP_CLIENT_FAILED", message: /more than 2 redirects/ });
      assert.equal(world.seen.length, 3);
      const plain = await client.asker({ ...local, max_redirects: "0" });
      assert.equal((await plain(world.url)).statusCode, 307);
    });

    behaviour("answers are bounded in size, announced or not, and in time", async (client) => {
      await using world = await serve((request, response) => {
        if (request.url === "/never") return;
        if (request.url === "/chunked") response.write("x".repeat(900));
        response.end("x".repeat(900));
      });
      const ask = await client.asker({ ...local, max_reply_bytes: "1000" });
      assert.equal((await ask(`${world.url}/`)).body.length, 900);
      await assert.rejects(ask(`${world.url}/chunked`), { code: "PAYLOAD_TOO_LARGE" });
      const small = await client.asker({ ...local, max_reply_bytes: "10" });
      await assert.rejects(small(`${world.url}/`), { code: "PAYLOAD_TOO_LARGE", message: /900 bytes/ });
      const hasty = await client.asker({ ...local, timeout_ms: "30" });
      await assert.rejects(hasty(`${world.url}/never`), { code: "DEADLINE_EXCEEDED" });
      await assert.rejects(ask(`${world.url}/never`, { deadlineMs: 30 }), { code: "DEADLINE_EXCEEDED" });
    });

    behaviour("a site that is not there, a URL that is none and other schemes are told apart", async (client) => {
      const world = await serve(hello);
      await world[Symbol.asyncDispose]();
      const ask = await client.asker();
      await assert.rejects(ask(world.url), { code: "HTTP_CLIENT_FAILED", message: /ECONNREFUSED/ });
      await assert.rejects(ask("nowhere"), { code: "PAYLOAD_MALFORMED" });
      await assert.rejects(ask("file:///etc/passwd"), { code: "HTTP_HOST_REFUSED" });
      await assert.rejects(ask("http://user:4711@127.0.0.1/"), (error: Error) => !error.message.includes("4711"));
    });

    behaviour(
      "a site that goes away in mid-call fails the calls it held, and is asked again when it is back",
      async (client) => {
        const ask = await client.asker();
        const held = [];
        {
          await using world = await serve(() => {});
          for (let i = 0; i < 16; i++)
            held.push(assert.rejects(ask(`${world.url}/${i}`), { code: "HTTP_CLIENT_FAILED" }));
          while (world.seen.length < 16) await new Promise(setImmediate);
        }
        await Promise.all(held);
        await using back = await serve(hello);
        assert.equal((await ask(back.url)).statusCode, 200);
      },
    );

    behaviour("payloads that make no sense and operations of other contracts are refused by name", async (client) => {
      const link = await client.link();
      const call = async (era: Era, operation: string, payload: string) =>
        client.provider.handle(fakeCall(era, operation, bytes(payload), { link }));
      for (const era of ["E0", "E1", "E2", "E4"] as const)
        for (const payload of ["", "c1", "83a6", "0aff", "ffffffff"])
          await assert.rejects(call(era, "HttpClient.Request", payload), { code: "PAYLOAD_MALFORMED" }, era + payload);
      await assert.rejects(call("E4", "HttpClient.Fly", "80"), { code: "OPERATION_UNKNOWN" });
    });

    behaviour("wrong link values are told all at once", async (client) => {
      const values = { allow: "http://x, *.*", allow_private: "perhaps", timeout_ms: "0", Max_Redirects: "1" };
      await assert.rejects(client.link(values), {
        code: "LINK_VALUES_INVALID",
        message: /write max_redirects.*allow "http:\/\/x".*allow "\*\.\*".*allow_private.*timeout_ms/,
      });
    });

    behaviour("draining waits for what is under way, stopping ends it", async (client) => {
      const { provider } = client;
      let answered = false;
      await using world = await serve((request, response) => {
        if (request.url !== "/slow") return;
        setImmediate(() => response.end("done"));
        answered = true;
      });
      const ask = await client.asker();
      const slow = ask(`${world.url}/slow`);
      await provider.drain?.();
      assert.equal(answered, true);
      assert.equal((await slow).statusCode, 200);
      const held = assert.rejects(ask(`${world.url}/held`), { code: /STOPPED|PROVIDER_GONE/ });
      while (world.seen.length < 2) await new Promise(setImmediate);
      await provider.stop?.();
      await held;
    });
  });
}

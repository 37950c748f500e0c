import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Packr, Unpackr } from "msgpackr";
import { httpClient, type Link, type Provider } from "../../capabilities/index.ts";
import { isPrivateAddress } from "../../capabilities/http-client/private-addresses.ts";
import type { Era } from "../../lattice/index.ts";
import { bytes, fakeCall, fakeLink, hex } from "../support/capabilities.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

interface Site extends AsyncDisposable {
  readonly port: number;
  readonly seen: { readonly method: string; readonly url: string; readonly headers: IncomingMessage["headers"] }[];
}

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Site> {
  const seen: Site["seen"] = [];
  const server: Server = createServer((request, response) => {
    seen.push({ method: request.method!, url: request.url!, headers: request.headers });
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const local = { allow_private: "true" };

function linked(values: Readonly<Record<string, string>> = local, era: Era = "E4"): [Provider, Link] {
  const provider = httpClient();
  const link = fakeLink(values, { era, contractId: "wasmcloud:httpclient" });
  void provider.putLink!(link);
  return [provider, link];
}

interface Wish {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  readonly body?: string;
}

interface Got {
  readonly statusCode: number;
  readonly header: Readonly<Record<string, readonly string[]>>;
  readonly body: Uint8Array;
}

async function ask([provider, link]: [Provider, Link], url: string, wish: Wish = {}, deadlineMs = 5_000): Promise<Got> {
  const { method = "GET", headers = {}, body = "" } = wish;
  const payload = packr.pack({ method, url, headers, body: Buffer.from(body) });
  const deadline = performance.now() + deadlineMs;
  const reply = await provider.handle(fakeCall("E4", "HttpClient.Request", payload, { link, deadline }));
  return unpackr.unpack(reply) as Got;
}

const hello = (_: IncomingMessage, response: ServerResponse) => {
  response.setHeader("x-two", ["a", "b"]);
  response.end("hi");
};

test("a request of each era is sent and its answer comes back in the encoding of that era", async () => {
  await using site = await serve(hello);
  const url = `http://127.0.0.1:${site.port}/p?q=1`;
  const map = (fields: object) => hex(packr.pack(fields));
  const text = (tag: number, value: string) =>
    Buffer.concat([Buffer.from([(tag << 3) | 2, value.length]), Buffer.from(value)]).toString("hex");
  const rows: [Era, string, string, RegExp][] = [
    ["E0", "PerformRequest", text(1, "GET") + text(2, url), /^08c801/],
    ["E1", "PerformRequest", hex(packr.pack(["GET", url, "", {}, []])), /^94ccc8a24f4b/],
    [
      "E2",
      "PerformRequest",
      map({ method: "GET", path: url, queryString: "", header: {}, body: Buffer.of() }),
      /a6737461747573a24f4b/,
    ],
    ["E3", "Request", map({ method: "GET", url, headers: {}, body: Buffer.of() }), /a578-2d|a6737461747573a24f4b/],
    [
      "E4",
      "HttpClient.Request",
      map({ method: "GET", url, headers: { a: ["1"] }, body: Buffer.of() }),
      /^83aa737461747573436f6465ccc8/,
    ],
  ];
  for (const [era, operation, payload, form] of rows) {
    const [provider, link] = linked(local, era);
    const reply = await provider.handle(fakeCall(era, operation, bytes(payload), { link }));
    assert.match(hex(reply), form, era);
    assert.match(Buffer.from(reply).toString("latin1"), /hi/, era);
    assert.equal(site.seen.at(-1)!.url, "/p?q=1", era);
    await provider.stop!();
  }
});

test("method, headers and body arrive, repeated headers come back as lists, and the connection's own headers stay here", async () => {
  await using site = await serve((request, response) => {
    response.statusCode = 201;
    response.setHeader("set-cookie", ["a=1", "b=2"]);
    request.pipe(response);
  });
  const client = linked();
  const got = await ask(client, `http://127.0.0.1:${site.port}/`, {
    method: "post",
    headers: { "X-A": ["1", "2"], Host: ["evil"], Connection: ["close"], "Content-Length": ["999"] },
    body: "body",
  });
  assert.deepEqual([got.statusCode, Buffer.from(got.body).toString()], [201, "body"]);
  assert.deepEqual(got.header["set-cookie"], ["a=1", "b=2"]);
  const [{ method, headers } = assert.fail()] = site.seen;
  assert.deepEqual([method, headers["x-a"], headers["content-length"]], ["POST", "1, 2", "4"]);
  assert.equal(headers.host, `127.0.0.1:${site.port}`);
  await client[0].stop!();
});

test("hosts that are not public are refused unless the link allows them, behind a name and after a redirect too", async () => {
  await using site = await serve(hello);
  const open = linked({});
  for (const host of [
    "127.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "localhost",
    "2130706433",
    "0x7f.1",
    "10.0.0.1",
    "169.254.169.254",
  ])
    await assert.rejects(ask(open, `http://${host}:${site.port}/`), { code: "HTTP_HOST_REFUSED" }, host);
  assert.deepEqual(site.seen, []);
  await open[0].stop!();
});

test("a link's list of hosts is kept, also after a redirect, which loses the credentials of the first host", async () => {
  await using other = await serve(hello);
  await using site = await serve((request, response) => {
    const to = request.url === "/out" ? "http://localhost.invalid/" : `http://localhost:${other.port}/there`;
    response.writeHead(302, { location: to }).end();
  });
  const client = linked({ ...local, allow: `127.0.0.1, LOCALHOST:${other.port}` });
  const base = `http://127.0.0.1:${site.port}`;
  const got = await ask(client, `${base}/in`, {
    method: "POST",
    headers: { Authorization: ["secret"], "x-a": ["1"] },
    body: "b",
  });
  assert.equal(got.statusCode, 200);
  const { method, headers } = other.seen[0]!;
  assert.deepEqual([method, headers.authorization, headers["x-a"]], ["GET", undefined, "1"]);
  await assert.rejects(ask(client, `${base}/out`), { code: "HTTP_HOST_REFUSED", message: /does not allow/ });
  await assert.rejects(ask(client, "http://example.com/"), { code: "HTTP_HOST_REFUSED" });
  await client[0].stop!();
});

test("redirects are counted, and handed on where a link wants none", async () => {
  await using site = await serve((_, response) => response.writeHead(307, { location: "/again" }).end());
  const url = `http://127.0.0.1:${site.port}/`;
  const client = linked({ ...local, max_redirects: "2" });
  await assert.rejects(ask(client, url), { code: "HTTP_CLIENT_FAILED", message: /more than 2 redirects/ });
  assert.equal(site.seen.length, 3);
  const plain = linked({ ...local, max_redirects: "0" });
  assert.equal((await ask(plain, url)).statusCode, 307);
  await Promise.all([client[0].stop!(), plain[0].stop!()]);
});

test("answers are bounded in size, announced or not, and in time", async () => {
  await using site = await serve((request, response) => {
    if (request.url === "/never") return;
    if (request.url === "/chunked") response.write("x".repeat(900));
    response.end("x".repeat(900));
  });
  const base = `http://127.0.0.1:${site.port}`;
  const client = linked({ ...local, max_reply_bytes: "1000" });
  assert.equal((await ask(client, `${base}/`)).body.length, 900);
  await assert.rejects(ask(client, `${base}/chunked`), { code: "PAYLOAD_TOO_LARGE" });
  const small = linked({ ...local, max_reply_bytes: "10" });
  await assert.rejects(ask(small, `${base}/`), { code: "PAYLOAD_TOO_LARGE", message: /900 bytes/ });
  await assert.rejects(ask(client, `${base}/never`, {}, 30), { code: "DEADLINE_EXCEEDED" });
  await Promise.all([client[0].stop!(), small[0].stop!()]);
});

test("a server that is not there, a URL that is none and other schemes are told apart", async () => {
  const site = await serve(hello);
  const url = `http://127.0.0.1:${site.port}/`;
  await site[Symbol.asyncDispose]();
  const client = linked();
  await assert.rejects(ask(client, url), { code: "HTTP_CLIENT_FAILED", message: /ECONNREFUSED/ });
  await assert.rejects(ask(client, "nowhere"), { code: "PAYLOAD_MALFORMED" });
  await assert.rejects(ask(client, "file:///etc/passwd"), { code: "HTTP_HOST_REFUSED" });
  await assert.rejects(ask(client, "http://user:4711@127.0.0.1/"), (error: Error) => !error.message.includes("4711"));
  await client[0].stop!();
});

test("stopping ends what is under way, and draining waits for it", async () => {
  let answered = false;
  await using site = await serve((request, response) => {
    if (request.url !== "/slow") return;
    setImmediate(() => response.end("done"));
    answered = true;
  });
  const client = linked();
  const base = `http://127.0.0.1:${site.port}`;
  const slow = ask(client, `${base}/slow`);
  await client[0].drain!();
  assert.equal(answered, true);
  assert.equal((await slow).statusCode, 200);
  const held = assert.rejects(ask(client, `${base}/held`), { code: "STOPPED" });
  await client[0].stop!();
  await held;
});

test("wrong link values are told all at once", () => {
  const provider = httpClient();
  const values = { allow: "http://x, *.*", allow_private: "perhaps", timeout_ms: "0", Max_Redirects: "1" };
  assert.throws(() => provider.putLink!(fakeLink(values)), {
    code: "LINK_VALUES_INVALID",
    message: /write max_redirects.*allow "http:\/\/x".*allow "\*\.\*".*allow_private.*timeout_ms/,
  });
});

test("addresses of this machine, its networks and of what tunnels to them are private", () => {
  const closed =
    "0.0.0.0 10.1.1.1 127.9.9.9 169.254.169.254 172.31.0.1 192.168.1.1 224.0.0.1 ::1 :: fe80::1%eth0 fd00::1";
  const tunnels = "::ffff:10.0.0.1 64:ff9b::7f00:1 2002:7f00:1::1";
  for (const address of `${closed} ${tunnels}`.split(" ")) assert.equal(isPrivateAddress(address), true, address);
  for (const address of "1.1.1.1 172.32.0.1 2606:4700::1111 ::ffff:8.8.8.8".split(" "))
    assert.equal(isPrivateAddress(address), false, address);
});

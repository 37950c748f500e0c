import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { fetchModule } from "../../actors/index.ts";
import { localhostTls } from "../support/localhost-tls.ts";

const content = Buffer.alloc(100_000, "module");

/** A web server on this machine; `url` ends without a slash. */
async function serve(handler: RequestListener, tls = false): Promise<{ url: string } & AsyncDisposable> {
  const server: Server = tls ? createTlsServer(localhostTls, handler) : createServer(handler);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      if ("closeAllConnections" in server && typeof server.closeAllConnections === "function")
        server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

async function* pieces(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

test("a path, a file URL and standard input give the same bytes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lattice-sources-"));
  try {
    const file = join(folder, "my module.wasm");
    writeFileSync(file, content);
    for (const reference of [file, pathToFileURL(file).href]) {
      const { bytes, origin } = await fetchModule(reference);
      assert.deepEqual(Buffer.from(bytes), content);
      assert.equal(origin, file);
    }
    const stdin = pieces(content.subarray(0, 10), content.subarray(10));
    const { bytes, origin } = await fetchModule("-", { stdin });
    assert.deepEqual(Buffer.from(bytes), content);
    assert.equal(origin, "standard input");
    await assert.rejects(fetchModule(file, { maxBytes: 99_999 }), { code: "MODULE_TOO_LARGE" });
    await assert.rejects(fetchModule("-", { stdin: pieces(content), maxBytes: 5 }), { code: "MODULE_TOO_LARGE" });
    await assert.rejects(fetchModule(folder), { code: "FILE_UNREADABLE" });
    await assert.rejects(fetchModule(join(file, "x")), { code: "FILE_ABSENT" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a device without end is read no further than the limit", { skip: process.platform === "win32" }, async () => {
  await assert.rejects(fetchModule("/dev/zero", { maxBytes: 1_000_000 }), { code: "MODULE_TOO_LARGE" });
});

test("a module comes from a URL, with progress", async () => {
  await using server = await serve((request, response) => {
    response.writeHead(200, { "content-length": content.length });
    response.end(content);
  });
  const seen: [number, number | undefined][] = [];
  const url = `${server.url}/a.wasm?token=secret`;
  const { bytes, origin } = await fetchModule(url, { onProgress: (received, total) => seen.push([received, total]) });
  assert.deepEqual(Buffer.from(bytes), content);
  assert.equal(origin, `${server.url}/a.wasm`);
  assert.deepEqual(seen.at(-1), [content.length, content.length]);
});

test("a transfer over the limit stops, announced or not, compressed or not", async () => {
  let sent = 0;
  await using server = await serve((request, response) => {
    if (request.url === "/announced") response.writeHead(200, { "content-length": 10_000_000_000 });
    if (request.url === "/zipped") {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(gzipSync(Buffer.alloc(50_000_000)));
      return;
    }
    const more = (): void => {
      while (!response.destroyed && response.write(content)) sent += content.length;
    };
    response.on("drain", more);
    more();
  });
  for (const path of ["announced", "endless", "zipped"])
    await assert.rejects(fetchModule(`${server.url}/${path}`, { maxBytes: 1_000_000 }), { code: "MODULE_TOO_LARGE" });
  assert.ok(sent < 50_000_000);
});

test("a server that is slow, gone or says no is named, without query and password", async () => {
  await using server = await serve((request, response) => {
    if (request.url?.startsWith("/absent")) response.writeHead(404).end();
  });
  const withPassword = server.url.replace("//", "//me:pass@");
  await assert.rejects(fetchModule(`${withPassword}/absent?sig=1`), {
    code: "FETCH_FAILED",
    message: `cannot fetch ${server.url}/absent: the server answered 404 Not Found`,
  });
  await assert.rejects(fetchModule(`${server.url}/slow`, { timeoutMs: 50 }), {
    code: "FETCH_FAILED",
    message: /longer than 50 ms/,
  });
  const { url } = await serve(() => {}).then(async (gone) => {
    await gone[Symbol.asyncDispose]();
    return gone;
  });
  await assert.rejects(fetchModule(`${url}/x`), { code: "FETCH_FAILED", message: /ECONNREFUSED/ });
});

test("redirects are followed a few times, and never to where we would not go", async () => {
  await using server = await serve((request, response) => {
    const to = { "/there": "/here", "/loop": "/loop", "/away": "http://192.0.2.1/x", "/file": "file:///etc/passwd" };
    const location = to[request.url as keyof typeof to];
    if (location) response.writeHead(302, { location }).end();
    else response.end(content);
  });
  assert.equal((await fetchModule(`${server.url}/there`)).bytes.length, content.length);
  await assert.rejects(fetchModule(`${server.url}/loop`), { code: "FETCH_FAILED", message: /5 times/ });
  await assert.rejects(fetchModule(`${server.url}/away`), { code: "REFERENCE_UNKNOWN", message: /192\.0\.2\.1/ });
  await assert.rejects(fetchModule(`${server.url}/file`), { code: "REFERENCE_UNKNOWN" });
});

test("user name and password of a URL go into a header", async () => {
  let authorization: string | undefined;
  await using server = await serve((request, response) => {
    authorization = request.headers.authorization;
    response.end(content);
  });
  await fetchModule(server.url.replace("//", "//me:p%40ss@"));
  assert.equal(authorization, `Basic ${Buffer.from("me:p@ss").toString("base64")}`);
});

test("https checks the certificate, and takes what the machine trusts", async () => {
  await using server = await serve((request, response) => response.end(content), true);
  await assert.rejects(fetchModule(`${server.url}/a.wasm`), { code: "FETCH_FAILED", message: /certificate/ });
  const folder = mkdtempSync(join(tmpdir(), "lattice-tls-"));
  try {
    const trusted = join(folder, "cert.pem");
    writeFileSync(trusted, localhostTls.cert);
    const program = `
      import { createServer } from "node:https";
      import { fetchModule } from ${JSON.stringify(new URL("../../actors/sources.ts", import.meta.url).href)};
      const server = createServer(${JSON.stringify(localhostTls)}, (_, response) => response.end("module"));
      server.listen(0, "127.0.0.1", async () => {
        const { bytes } = await fetchModule("https://127.0.0.1:" + server.address().port + "/a.wasm");
        process.stdout.write(bytes);
        process.exit();
      });`;
    const run = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: trusted },
      encoding: "utf8",
    });
    assert.equal(run.stdout, "module", run.stderr);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a reference of any other kind is refused by its name; a missing file is a missing file", async () => {
  const others = ["registry/name:1", "builtin:httpserver", "http://example.com/a", "ftp://example.com/a"];
  for (const reference of others) await assert.rejects(fetchModule(reference), { code: "REFERENCE_UNKNOWN" });
  for (const path of ["absent.wasm", "./a/b:1", "../a/b:1", "folder/absent"])
    await assert.rejects(fetchModule(path), { code: "FILE_ABSENT" });
});

test("a fetch can be given up", async () => {
  await using server = await serve(() => {});
  const giveUp = new AbortController();
  const fetching = fetchModule(`${server.url}/slow`, { signal: giveUp.signal });
  giveUp.abort();
  await assert.rejects(fetching, { code: "FETCH_FAILED" });
});

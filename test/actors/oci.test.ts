import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import {
  fetchModule,
  inspectModule,
  isOciReference,
  parseOciReference,
  pullArtifact,
  referenceKind,
  registriesFromEnvironment,
} from "../../actors/index.ts";
import { example } from "../support/examples.ts";
import { localhostTls } from "../support/localhost-tls.ts";
import { digestOf, Registry, registryLogin, withoutRegistry } from "../support/registry.ts";
import { Wash, withoutWash } from "../support/wash.ts";

const skip = withoutRegistry || withoutWash;
const skipRegistry = withoutRegistry;
const echo = readFileSync(example("echo-rust"));
const moduleType = "application/vnd.module.wasm.content.layer.v1+wasm";
const maxBytes = 8 * 1024 * 1024;

const descriptor = (bytes: Uint8Array, mediaType: string) => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
});
const manifest = (layers: readonly object[], more: object = {}) => ({
  schemaVersion: 2,
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  config: descriptor(Buffer.from("{}"), "application/vnd.oci.empty.v1+json"),
  layers,
  ...more,
});

test("an actor that the real wash pushed is pulled by tag and by digest", { skip }, async () => {
  using wash = new Wash();
  await using registry = await Registry.start();
  const reference = `${registry.host}/demo/echo:1.0`;
  wash.run("push", "--insecure", reference, example("echo-rust"));
  const seen: number[] = [];
  const {
    bytes,
    origin,
    digest = "",
  } = await fetchModule(reference, { onProgress: (received) => seen.push(received) });
  assert.deepEqual(Buffer.from(bytes), echo);
  assert.equal(origin, reference);
  assert.equal(seen.at(-1), echo.length);
  assert.equal(inspectModule(bytes, origin).kind, "actor");
  const pinned = await fetchModule(`oci://${registry.host}/demo/echo@${digest}`);
  assert.deepEqual(Buffer.from(pinned.bytes), echo);
  assert.equal(pinned.origin, `${registry.host}/demo/echo@${digest}`);
});

test("a provider archive that the real wash made and pushed is pulled", { skip }, async () => {
  using wash = new Wash();
  await using registry = await Registry.start();
  writeFileSync(wash.file("binary"), "#!/bin/sh\n");
  const about = ["--capid", "demo:nothing", "--vendor", "Demo", "--name", "Nothing", "--arch", "x86_64-linux"];
  wash.run("par", "create", ...about, "--binary", wash.file("binary"), "--destination", wash.file("nothing.par"));
  wash.run("push", "--insecure", `${registry.host}/nothing:0.1`, wash.file("nothing.par"));
  const { bytes, mediaType } = await pullArtifact(`${registry.host}/nothing:0.1`, { maxBytes });
  assert.deepEqual(Buffer.from(bytes), readFileSync(wash.file("nothing.par")));
  assert.match(mediaType, /wasmcloud\.provider\.archive/);
  assert.equal(inspectModule(bytes, "nothing").kind, "archive");
});

test("a registry that asks for name and password gets those meant for it, and nobody else does", { skip }, async () => {
  using wash = new Wash();
  await using registry = await Registry.start({ basic: true });
  const reference = `${registry.host}/private/echo:1.0`;
  const { username, password } = registryLogin;
  wash.run("push", "--insecure", "-u", username, "-p", password, reference, example("echo-rust"));
  const given = (credentials: object) => pullArtifact(reference, { maxBytes, registries: credentials });
  const right = await given({ credentials: { [registry.host]: registryLogin } });
  assert.deepEqual(Buffer.from(right.bytes), echo);
  const environment = { OCI_REGISTRY: registry.host, OCI_REGISTRY_USER: username, OCI_REGISTRY_PASSWORD: password };
  assert.equal((await given(registriesFromEnvironment(environment))).bytes.length, echo.length);
  const refusals = [
    {},
    { credentials: { [registry.host]: { username, password: "wrong one" } } },
    { credentials: { "127.0.0.1:1": registryLogin } },
    registriesFromEnvironment({ ...environment, OCI_REGISTRY: "" }),
  ];
  for (const each of refusals) {
    await assert.rejects(given(each), (error: Error) => {
      assert.equal((error as { code?: string }).code, "OCI_UNAUTHORIZED");
      assert.match(error.message, /does not let .* read 127.*: 401 UNAUTHORIZED/);
      assert.doesNotMatch(error.message, /sesame|wrong one/);
      return true;
    });
  }
});

test("a registry that sends us to a token service gets its token", { skip: skipRegistry }, async () => {
  const asked: { url: URL; authorization: string | undefined }[] = [];
  const registryToken = (scope: string) => {
    const certificate = localhostTls.cert.replaceAll(/-----[A-Z ]+-----|\s/g, "");
    const now = Math.floor(Date.now() / 1000);
    const [type, name, actions = ""] = scope.split(":");
    const claims = {
      iss: "tests",
      aud: "demo registry",
      sub: "",
      exp: now + 60,
      nbf: now - 60,
      jti: "1",
      access: [{ type, name, actions: actions.split(",") }],
    };
    const signed = [{ typ: "JWT", alg: "ES256", x5c: [certificate] }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    const signature = sign("sha256", Buffer.from(signed), { key: localhostTls.key, dsaEncoding: "ieee-p1363" });
    return `${signed}.${signature.toString("base64url")}`;
  };
  await using service = await serve((request, response) => {
    const url = new URL(request.url ?? "", "http://x");
    asked.push({ url, authorization: request.headers.authorization });
    response.end(JSON.stringify({ token: registryToken(url.searchParams.get("scope") ?? "") }));
  });
  await using registry = await Registry.start({
    token: { realm: `${service.url}/token`, service: "demo registry", issuer: "tests", certificate: localhostTls.cert },
  });
  const reference = `${registry.host}/a/b:1`;
  const registries = { credentials: { [registry.host]: { username: "me", password: "secret" } } };
  await assert.rejects(pullArtifact(reference, { maxBytes, registries }), {
    code: "OCI_ABSENT",
    message: /MANIFEST_UNKNOWN/,
  });
  assert.equal(asked.length, 1);
  assert.equal(asked[0]?.url.searchParams.get("service"), "demo registry");
  assert.equal(asked[0]?.url.searchParams.get("scope"), "repository:a/b:pull");
  assert.equal(asked[0]?.authorization, `Basic ${Buffer.from("me:secret").toString("base64")}`);
  await assert.rejects(pullArtifact(reference, { maxBytes }), { code: "OCI_ABSENT" });
  assert.equal(asked[1]?.authorization, undefined);
});

test(
  "artifacts of other tools: one layer of any type, an index, attestations beside it",
  { skip: skipRegistry },
  async () => {
    await using registry = await Registry.start();
    const config = Buffer.from("{}");
    const generic = manifest([descriptor(echo, "application/octet-stream")]);
    await registry.put("generic", "1", generic, [config, echo]);
    assert.equal((await pullArtifact(`${registry.host}/generic:1`, { maxBytes })).bytes.length, echo.length);

    const note = Buffer.from("attested");
    const attestation = manifest([descriptor(note, "text/plain")]);
    const digest = await registry.put("index", "attestation", attestation, [config, note, echo]);
    const actor = manifest([descriptor(note, "text/plain"), descriptor(echo, moduleType)]);
    const actorDigest = await registry.put("index", "actor", actor);
    const type = "application/vnd.oci.image.manifest.v1+json";
    const entries = [
      {
        mediaType: type,
        digest,
        size: JSON.stringify(attestation).length,
        platform: { architecture: "unknown", os: "unknown" },
      },
      {
        mediaType: type,
        digest: actorDigest,
        size: JSON.stringify(actor).length,
        platform: { architecture: "wasm", os: "wasip1" },
      },
    ];
    const index = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: entries };
    await registry.put("index", "1", index);
    const pulled = await pullArtifact(`${registry.host}/index:1`, { maxBytes });
    assert.deepEqual(Buffer.from(pulled.bytes), echo);
    assert.equal(pulled.digest, actorDigest);

    await registry.put("index", "only-notes", { ...index, manifests: entries.slice(0, 1) });
    await registry.put("index", "two", manifest([descriptor(note, "text/plain"), descriptor(config, "text/html")]));
    for (const [tag, found] of [
      ["only-notes", /an index of 1/],
      ["two", /2 layers \(text\/plain, text\/html\)/],
    ] as const)
      await assert.rejects(pullArtifact(`${registry.host}/index:${tag}`, { maxBytes }), {
        code: "OCI_NO_MODULE",
        message: found,
      });
  },
);

test("what is absent, too large or latest is refused by name", { skip: skipRegistry }, async () => {
  await using registry = await Registry.start();
  await registry.put("x", "latest", manifest([descriptor(echo, moduleType)]), [Buffer.from("{}"), echo]);
  const pull = (rest: string, registries = {}) => pullArtifact(`${registry.host}/${rest}`, { maxBytes, registries });
  await assert.rejects(pull("x:2"), {
    code: "OCI_ABSENT",
    message: `the registry has no ${registry.host}/x:2: 404 MANIFEST_UNKNOWN: manifest unknown`,
  });
  for (const rest of ["x:latest", "x"]) await assert.rejects(pull(rest), { code: "OCI_LATEST_REFUSED" });
  assert.equal((await pull("x", { allowLatest: true })).bytes.length, echo.length);
  await assert.rejects(
    pullArtifact(`${registry.host}/x:latest`, { maxBytes: 1_000, registries: { allowLatest: true } }),
    {
      code: "MODULE_TOO_LARGE",
    },
  );
});

/** Answers as a registry that holds one module, but for what `lies` changes. */
function liar(lies: (request: IncomingMessage, respond: Parameters<RequestListener>[1]) => boolean): RequestListener {
  const body = JSON.stringify(manifest([descriptor(echo, moduleType)]));
  return (request, response) => {
    if (lies(request, response)) return;
    if (request.url?.includes("/manifests/")) response.end(body);
    else response.end(echo);
  };
}

test("other bytes than the digest says are refused, in manifest and layer, also when cut short or too long", async () => {
  const changed = Buffer.from(echo);
  changed[1_000]! ^= 1;
  for (const wrong of [changed, echo.subarray(0, 1_000), Buffer.concat([echo, echo])]) {
    await using server = await serve(
      liar((request, response) => {
        if (request.url?.includes("/blobs/") !== true) return false;
        response.end(wrong);
        return true;
      }),
    );
    await assert.rejects(pullArtifact(`${server.host}/x:1`, { maxBytes }), (error: Error & { code?: string }) => {
      assert.match(error.code ?? "", /^(OCI_DIGEST_MISMATCH|MODULE_TOO_LARGE)$/);
      return true;
    });
  }
  await using server = await serve(liar(() => false));
  const wanted = `sha256:${"0".repeat(64)}`;
  await assert.rejects(pullArtifact(`${server.host}/x@${wanted}`, { maxBytes }), { code: "OCI_DIGEST_MISMATCH" });
});

test("a manifest without end, of nonsense, or with false digests is refused", async () => {
  const layer = descriptor(echo, moduleType);
  const bodies = [
    "nonsense",
    "[]",
    "{}",
    JSON.stringify({ layers: [null] }),
    JSON.stringify({ layers: [{ ...layer, digest: "md5:00" }] }),
    JSON.stringify({ layers: [{ ...layer, digest: "sha256:../../x" }] }),
    JSON.stringify({ layers: Array.from({ length: 300 }, () => layer) }),
    JSON.stringify({ manifests: [{ ...layer, mediaType: "application/vnd.oci.image.index.v1+json" }] }),
    Buffer.alloc(5_000_000, " "),
  ];
  for (const body of bodies) {
    await using server = await serve((request, response) => {
      response.end(request.url?.includes("/blobs/") === true ? echo : body);
    });
    await assert.rejects(pullArtifact(`${server.host}/x:1`, { maxBytes }), (error: Error & { code?: string }) => {
      assert.match(
        error.code ?? "",
        /^(OCI_NO_MODULE|OCI_DIGEST_MISMATCH|MODULE_TOO_LARGE)$/,
        String(body).slice(0, 80),
      );
      return true;
    });
  }
});

test("a storage service that the registry redirects to sees no credentials", async () => {
  const seen: (string | undefined)[] = [];
  await using storage = await serve((request, response) => {
    seen.push(request.headers.authorization);
    response.end(echo);
  });
  await using server = await serve(
    liar((request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
        return true;
      }
      if (request.url?.includes("/blobs/") !== true) return false;
      response.writeHead(307, { location: `${storage.url}/somewhere` }).end();
      return true;
    }),
  );
  const registries = { credentials: { [server.host]: { username: "me", password: "secret" } } };
  assert.equal((await pullArtifact(`${server.host}/x:1`, { maxBytes, registries })).bytes.length, echo.length);
  assert.deepEqual(seen, [undefined]);
});

test("redirects and token services without TLS elsewhere are refused, and so are endless redirects", async () => {
  const answers: Readonly<Record<string, Record<string, string>>> = {
    "/v2/plain/manifests/1": { location: "http://192.0.2.1/x" },
    "/v2/file/manifests/1": { location: "file:///etc/passwd" },
    "/v2/loop/manifests/1": { location: "/v2/loop/manifests/1" },
    "/v2/token/manifests/1": { "www-authenticate": 'Bearer realm="http://192.0.2.1/token",service="x"' },
  };
  await using server = await serve((request, response) => {
    const headers = answers[request.url ?? ""] ?? {};
    response.writeHead("location" in headers ? 302 : 401, headers).end();
  });
  for (const [name, code, message] of [
    ["plain", "FETCH_FAILED", /http:\/\/192\.0\.2\.1, where there is no TLS/],
    ["file", "FETCH_FAILED", /no TLS/],
    ["loop", "FETCH_FAILED", /more than 5 times/],
    ["token", "OCI_UNAUTHORIZED", /token service 192\.0\.2\.1 has no TLS/],
    ["other", "OCI_UNAUTHORIZED", /401/],
  ] as const) {
    await assert.rejects(pullArtifact(`${server.host}/${name}:1`, { maxBytes }), { code, message });
  }
});

test("what a registry says in an error is short and cannot drive a terminal", async () => {
  await using server = await serve((request, response) => {
    response.writeHead(500).end(`\u001b[2Jbroken ${"x".repeat(10_000)}`);
  });
  await assert.rejects(pullArtifact(`${server.host}/x:1`, { maxBytes }), (error: Error) => {
    assert.ok(error.message.length < 400);
    assert.match(error.message, /500 {2}\[2Jbroken xxx/);
    return true;
  });
  const { host } = server;
  await server[Symbol.asyncDispose]();
  await assert.rejects(pullArtifact(`${host}/x:1`, { maxBytes }), { code: "FETCH_FAILED", message: /ECONNREFUSED/ });
});

test("a registry that never answers is given up", async () => {
  await using server = await serve(() => {});
  await assert.rejects(pullArtifact(`${server.host}/x:1`, { maxBytes, timeoutMs: 100 }), {
    code: "FETCH_FAILED",
    message: /longer than 100 ms/,
  });
});

test("references: what is a file, a URL, an image; and what is wrong with one", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const images = [
    "ghcr.io/a/b:1",
    "localhost/a:1",
    "localhost:5000/a/b-c__d.e:V1.2-x",
    `registry:5000/a@${digest}`,
    "[::1]:5000/a:1",
  ];
  for (const text of images) {
    assert.ok(isOciReference(text), text);
    assert.equal(parseOciReference(text).text, text);
    assert.equal(parseOciReference(`oci://${text}`).text, text);
  }
  assert.deepEqual(parseOciReference(`ghcr.io/a/b:1@${digest}`), {
    registry: "ghcr.io",
    repository: "a/b",
    tag: "1",
    digest,
    text: `ghcr.io/a/b:1@${digest}`,
  });
  assert.equal(parseOciReference("ghcr.io/a").text, "ghcr.io/a:latest");
  for (const text of ["a.wasm", "./a/b:1", "/a/b:1", "../a:1", "a/b:1", "-", "file:///a:1", "builtin:logging"])
    assert.equal(referenceKind(text), "file", text);
  assert.equal(referenceKind("https://ghcr.io/a:1"), "url");
  for (const text of [
    "ghcr.io/A:1",
    "ghcr.io/a:",
    "ghcr.io/a/../b:1",
    "ghcr.io/a@sha256:00",
    "ghcr.io:99999/a:1",
    "ghcr.io/a:1 2",
  ])
    assert.throws(() => parseOciReference(text), { code: "OCI_REFERENCE_INVALID" }, text);
});

async function serve(handler: RequestListener): Promise<{ url: string; host: string } & AsyncDisposable> {
  const server = createServer(handler);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}`,
    host,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

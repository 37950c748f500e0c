import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { isLatticeError } from "../../lattice/index.ts";
import { parseHostFile, readHostFile } from "../../host/manifest.ts";

const root = mkdtempSync("/tmp/wl-manifest-");
after(() => rmSync(root, { recursive: true, force: true }));

/** Lines of the error about `text`, `file:line:column: why` each. */
async function problems(text: string, environment: Record<string, string> = {}): Promise<string[]> {
  try {
    await parseHostFile(text, "shop.yaml", environment);
  } catch (error) {
    assert.ok(isLatticeError(error) && error.code === "MANIFEST_INVALID", String(error));
    return error.message.split("\n");
  }
  return [];
}

test("a host file says how each NATS server is reached, its files starting at its folder", async () => {
  const text = `
nats:
  url: tls://one:4222
  jwt: user.jwt
  seed: \${SEED}
  ca: /etc/ca.pem
  replicas: 3
  control: { url: "tls://two:4222", creds: two.creds }
`;
  const seed = `SU${"A".repeat(56)}`;
  const { nats } = await parseHostFile(text, "/srv/shop/shop.yaml", { SEED: seed });
  assert.deepEqual(nats, {
    url: "tls://one:4222",
    jwt: "/srv/shop/user.jwt",
    seed,
    ca: "/etc/ca.pem",
    replicas: 3,
    control: { url: "tls://two:4222", creds: "/srv/shop/two.creds" },
  });
  await assert.rejects(parseHostFile("nats: { control: { provider: x } }", "x.yaml", {}), { code: "MANIFEST_INVALID" });
});

test("a whole host file is read, with relative paths starting at its folder", async () => {
  const file = await parseHostFile(
    `
lattice: shop
labels: { zone: b }
nats: nats://127.0.0.1:4222
limits:
  cpuMs: 100
  memory_bytes: 1_048_576
actors:
  - path: actors/kvcounter.wasm
    instances: 4
    name: counter
    annotations: { team: blue }
    env: { GREETING: hello }
  - reference: registry.example/echo:0.3.4
capabilities:
  - contract: wasmcloud:httpserver
  - provider: builtin:keyvalue-memory
    contract: wasmcloud:keyvalue
    link_name: cache
    config: { size: 10 }
links:
  - actor: counter
    contract: wasmcloud:httpserver
    values: { port: 8080, tls: false }
  - { actor: counter, contract: wasmcloud:keyvalue, link_name: cache }
policy: ./policy.mjs
`,
    "/srv/shop/shop.yaml",
    {},
  );
  assert.deepEqual(file, {
    path: "/srv/shop/shop.yaml",
    lattice: "shop",
    labels: { zone: "b" },
    nats: { url: "nats://127.0.0.1:4222" },
    limits: { cpuMs: 100, memoryBytes: 1_048_576 },
    actors: [
      {
        at: "/srv/shop/shop.yaml:9:5",
        reference: "/srv/shop/actors/kvcounter.wasm",
        instances: 4,
        name: "counter",
        annotations: { team: "blue" },
        env: { GREETING: "hello" },
      },
      { at: "/srv/shop/shop.yaml:14:5", reference: "registry.example/echo:0.3.4", annotations: {}, env: {} },
    ],
    capabilities: [
      { at: "/srv/shop/shop.yaml:16:5", contractId: "wasmcloud:httpserver", linkName: "default", config: {} },
      {
        at: "/srv/shop/shop.yaml:17:5",
        contractId: "wasmcloud:keyvalue",
        reference: "builtin:keyvalue-memory",
        linkName: "cache",
        config: { size: "10" },
      },
    ],
    links: [
      {
        at: "/srv/shop/shop.yaml:22:5",
        actor: "counter",
        contractId: "wasmcloud:httpserver",
        linkName: "default",
        values: { port: "8080", tls: "false" },
      },
      {
        at: "/srv/shop/shop.yaml:25:5",
        actor: "counter",
        contractId: "wasmcloud:keyvalue",
        linkName: "cache",
        values: {},
      },
    ],
    policy: "/srv/shop/policy.mjs",
    warnings: [],
  });
});

test("a manifest of waSCC is understood", async () => {
  const file = await parseHostFile(
    `
labels:
  sample: "kv counter"
actors:
  - ./kvcounter.wasm
  - ./lib/kv-provider.wasm
capabilities:
  - path: ./libhttp_server.so
    contract: wascc:http_server
  - path: ./keyvalue.par.gz
    binding_name: cache
bindings:
  - actor: "\${COUNTER:MASCXFM4R6X63UD5MSCDZYCJNPBVSIU6RKMXUPXRKAOSBQ6UY3VT3NPZ}"
    capability: wascc:http_server
    values:
      PORT: "\${PORT:8081}"
  - actor: counter
    capability: wascc:key_value
    binding: cache
`,
    "/srv/shop.yaml",
    {},
  );
  assert.deepEqual(
    file.actors.map(({ reference }) => reference),
    ["/srv/kvcounter.wasm", "/srv/lib/kv-provider.wasm"],
  );
  assert.deepEqual(
    file.capabilities.map(({ contractId, reference, linkName }) => ({ contractId, reference, linkName })),
    [
      { contractId: "wascc:http_server", reference: undefined, linkName: "default" },
      { contractId: undefined, reference: "/srv/keyvalue.par.gz", linkName: "cache" },
    ],
  );
  assert.match(file.links[0]?.actor ?? "", /^MASCX/);
  assert.equal(file.links[0]?.values["PORT"], "8081");
  assert.equal(file.links[1]?.linkName, "cache");
  assert.match(file.warnings.join(), /shop\.yaml:8:11: \.\/libhttp_server\.so is not loaded/);
});

test("a manifest of a 0.15 host is understood", async () => {
  const file = await parseHostFile(
    `
actors: ["wasmcloud.azurecr.io/echo:0.2.0"]
capabilities:
  - image_ref: wasmcloud.azurecr.io/httpserver:0.11.1
    link_name: default
links:
  - actor: MBCFOPM6JW2APJLXJD3Z5O4CN7CPYJ2B4FTKLJUR5YR5MITIU7HD3WD5
    provider_id: VAG3QITQQ2ODAOWB5TTQSDJ53XK3SHBEIFNK4AYJ5RKAX2UNSCAPHA5M
    contract_id: wasmcloud:httpserver
    link_name: default
    values: { PORT: 8080 }
`,
    "/srv/shop.yaml",
    {},
  );
  assert.equal(file.actors[0]?.reference, "wasmcloud.azurecr.io/echo:0.2.0");
  assert.equal(file.capabilities[0]?.reference, "wasmcloud.azurecr.io/httpserver:0.11.1");
  assert.match(file.links[0]?.provider ?? "", /^VAG3/);
});

test("JSON is read too, also with tabs, and so is an empty file", async () => {
  const json = JSON.stringify({ lattice: "j", actors: ["./a.wasm"], links: [] }, null, "\t");
  assert.equal((await parseHostFile(json, "/srv/shop.json", {})).actors[0]?.reference, "/srv/a.wasm");
  for (const empty of ["", "# nothing yet\n", "actors:\nlinks:\n", "{}"]) {
    assert.deepEqual((await parseHostFile(empty, "x.yaml", {})).actors, []);
  }
});

test("variables are expanded in texts, their defaults too, and change no structure", async () => {
  const file = await parseHostFile(
    `
lattice: \${NAME:shop}
labels: { a: "x\${A}y", b: "\${B:}", c: "$\${A}", d: "\${URL:http://127.0.0.1:80/}" }
limits: { cpuMs: "\${CPU:7}" }
`,
    "/srv/shop.yaml",
    { A: "1, evil: 2}\nlattice: other", NAME: "mine" },
  );
  assert.equal(file.lattice, "mine");
  assert.deepEqual(file.labels, {
    a: "x1, evil: 2}\nlattice: othery",
    b: "",
    c: "${A}",
    d: "http://127.0.0.1:80/",
  });
  assert.equal(file.limits.cpuMs, 7);
});

test("a variable that is not set and has no default is told by name, its neighbours' values are not", async () => {
  assert.deepEqual(await problems("labels:\n  a: ${SECRET}-${ABSENT}\n  b: ${bad name}\n", { SECRET: "hunter2" }), [
    "shop.yaml:2:6: ABSENT is not set and has no default (write ${ABSENT:default})",
    "shop.yaml:3:6: ${bad name} is not of the form ${VAR} or ${VAR:default}",
  ]);
});

test("all problems are told at once, in order, with line and column and the nearest name", async () => {
  assert.deepEqual(
    await problems(`
latice: shop
lattice: a.b
labels: { hostcore.os: plan9 }
limits:
  cpu_mss: 5
  hops: 0
actors:
  - instances: many
    pth: x.wasm
  - [nested]
capabilities:
  - link_name: cache
  - ./libredis.so
links:
  - actor: counter
    link_name: a
    binding: b
    values: { port: { nested: 1 } }
`),
    [
      "shop.yaml:2:1: a host file has no latice; did you mean lattice?",
      'shop.yaml:3:10: lattice is "a.b", it must be 1 to 63 letters, digits, - or _',
      'shop.yaml:4:24: labels.hostcore.os is "plan9", it must be left to the host: hostcore. is reserved',
      "shop.yaml:6:12: limits has no cpu_mss; did you mean cpuMs?",
      "shop.yaml:7:9: limits.hops must be a whole number from 1 to 1000",
      "shop.yaml:9:5: an actor needs path or reference",
      "shop.yaml:9:16: instances must be a whole number from 1 to 10000",
      "shop.yaml:10:5: an actor has no pth; did you mean path?",
      "shop.yaml:11:5: an actor must be a table of names and values",
      "shop.yaml:13:5: a capability needs contract, provider or module",
      "shop.yaml:14:5: ./libredis.so is a native library, which no host loads: name its contract instead",
      "shop.yaml:16:5: a link needs contract",
      "shop.yaml:18:5: binding says the same as another line: both mean link_name",
      "shop.yaml:19:21: values.port must be a text",
    ],
  );
});

test("what is not YAML is told where it breaks", async () => {
  const [first] = await problems("actors:\n  - path: [unclosed\nlinks: {}\n");
  assert.match(first ?? "", /^shop\.yaml:\d+:\d+: /);
  assert.match((await problems("a: 1\na: 2\n")).join(), /shop\.yaml:2:1: Map keys must be unique/);
  assert.match((await problems("- just\n- a list\n")).join(), /shop\.yaml:1:1: a host file must be a table/);
  assert.match((await problems("lattice: a\n---\nlattice: b\n")).join(), /documents/);
});

test("a file with more problems than one can read tells the first and counts the rest", async () => {
  const lines = await problems(Array.from({ length: 80 }, (_, n) => `zzz${n}: 1`).join("\n"));
  assert.equal(lines.length, 51);
  assert.equal(lines.at(-1), "and 30 more problems");
});

test("aliases work, and a bomb of them costs nothing", async () => {
  const file = await parseHostFile(
    "labels: &l { a: b }\nactors: [{ path: ./a.wasm, annotations: *l }]\n",
    "/srv/shop.yaml",
    {},
  );
  assert.deepEqual(file.actors[0]?.annotations, { a: "b" });
  const bomb = [
    "a0: &a0 [x]",
    ...Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n},`.repeat(10)}]`),
  ];
  const begun = performance.now();
  await problems(`${bomb.join("\n")}\nactors: *a30\n`);
  assert.ok(performance.now() - begun < 15_000);
});

test("whatever the text, the answer is a file or MANIFEST_INVALID", async () => {
  const word = fc.constantFrom(
    "actors",
    "links",
    "values",
    ": ",
    "- ",
    "\n",
    "  ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "${A:",
    "1",
    '"',
    "\t",
    "|",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 30 }), async (words) => void (await problems(words.join("")))),
    { numRuns: 300 },
  );
});

test("a file that is absent, too large or no text is refused by name", async () => {
  await assert.rejects(readHostFile(join(root, "none.yaml")), { code: "FILE_ABSENT" });
  await assert.rejects(readHostFile(root), { code: "FILE_UNREADABLE" });
  writeFileSync(join(root, "binary.yaml"), new Uint8Array([0xff, 0xfe, 0x00, 0x80]));
  await assert.rejects(readHostFile(join(root, "binary.yaml")), { code: "FILE_UNREADABLE" });
  writeFileSync(join(root, "large.yaml"), "#".repeat(1024 * 1024 + 1));
  await assert.rejects(readHostFile(join(root, "large.yaml")), { code: "PAYLOAD_TOO_LARGE" });
  writeFileSync(join(root, "good.yaml"), "actors: [./a.wasm]\n");
  assert.equal((await readHostFile(join(root, "good.yaml"))).actors[0]?.reference, join(root, "a.wasm"));
});

test("a provider of one's own is a module, in a thread or a process of its own, with what it may reach", async () => {
  const { capabilities } = await parseHostFile(
    `
capabilities:
  - module: ./a.ts
    config: { size: 3 }
  - module: ./b.ts
    process: child
    read: [./rates.json, /srv/data]
    write: [ledger]
    network: true
    memory_mib: 64
  - { module: ./c.ts, process: host }
  - { module: ./d.ts, process: thread, memory_mib: 32 }
`,
    "/etc/shop/host.yaml",
  );
  assert.deepEqual(
    capabilities.map(({ module }) => module),
    [
      { path: "/etc/shop/a.ts", process: "thread" },
      {
        path: "/etc/shop/b.ts",
        process: "child",
        read: ["/etc/shop/rates.json", "/srv/data"],
        write: ["/etc/shop/ledger"],
        network: true,
        memoryMiB: 64,
      },
      { path: "/etc/shop/c.ts", process: "host" },
      { path: "/etc/shop/d.ts", process: "thread", memoryMiB: 32 },
    ],
  );
  assert.deepEqual(capabilities[0]?.config, { size: "3" });
  const own = await parseHostFile(
    "capabilities: [{ contract: wasmcloud:keyvalue, process: child }, { provider: builtin:logging, process: child }, child:wasmcloud:keyvalue, { provider: builtin:logging, process: host }]",
    "/x",
  );
  assert.deepEqual(
    own.capabilities.map(({ reference }) => reference),
    ["child:builtin:keyvalue-memory", "child:builtin:logging", "child:wasmcloud:keyvalue", "builtin:logging"],
  );
  for (const [entry, why] of [
    ["{ module: ./a.ts, process: fibre }", /process must be thread, host or child/],
    ["{ module: ./a.ts, process: host, memory_mib: 64 }", /memory_mib needs process: thread or child/],
    ["{ module: ./a.ts, network: true }", /network needs process: child/],
    ["{ module: ./a.ts, process: child, network: perhaps }", /network must be true or false/],
    ["{ module: ./a.ts, process: child, memory_mib: 1 }", /memory_mib must be a whole number from 16/],
    ["{ module: ./a.ts, provider: builtin:logging }", /provider or module, not both/],
    ["{ provider: ./a.par, process: child }", /process belongs to a module; child to one of our own/],
    ["{ contract: wasmcloud:keyvalue, network: true }", /network belongs to a module/],
  ] as const) {
    assert.match((await problems(`capabilities: [${entry}]`)).join(), why, entry);
  }
});

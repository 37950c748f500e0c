import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { ActorModule, concatBytes, inspectModule, readSections, signModule } from "../../actors/index.ts";
import { decodeToken, KeyPair } from "../../lattice/index.ts";
import {
  componentPreamble,
  custom,
  guestModule,
  module,
  modulePreamble,
  paddedSection,
  section,
} from "../support/modules.ts";
import { Wash, withoutWash } from "../support/wash.ts";

const skip = withoutWash;
const plain = concatBytes([guestModule({ importModule: "wasmbus" }), custom("name", "x"), custom("producers", "y")]);

test("what the real wash signs, we load with the same claims", { skip }, async () => {
  using wash = new Wash();
  writeFileSync(wash.file("counter.wasm"), plain);
  const days = ["-x", "2", "-b", "0"];
  const flags = ["-q", "-k", "-l", "-c", "wasmcloud:builtin:numbergen", "-t", "demo", "-t", "x", ...days];
  const described = ["-n", "Counter", "-r", "3", "-v", "0.1.0", "-a", "demo/counter_1_x"];
  wash.run("claims", "sign", wash.file("counter.wasm"), ...described, ...flags, "-d", wash.file("signed.wasm"));
  const seen = wash.json("claims", "inspect", wash.file("signed.wasm"));
  const { claims, era } = await ActorModule.fromFile(wash.file("signed.wasm"));
  assert.equal(claims.key, seen.module);
  assert.equal(claims.issuer, seen.account);
  assert.equal(claims.name, "Counter");
  assert.equal(claims.revision, 3);
  assert.equal(claims.version, "0.1.0");
  assert.equal(claims.callAlias, "demo/counter_1_x");
  assert.deepEqual(claims.tags, ["demo", "x"]);
  assert.deepEqual(claims.capabilities.toSorted(), [
    "wasmcloud:builtin:logging",
    "wasmcloud:builtin:numbergen",
    "wasmcloud:httpserver",
    "wasmcloud:keyvalue",
  ]);
  assert.ok(Math.abs(claims.expiresAt! - claims.issuedAt - 2 * 86_400) < 5);
  assert.equal(claims.portableProvider, false);
  assert.equal(claims.shape, "full");
  assert.equal(era, "E4");
});

test("wash's seeds are our seeds", { skip }, () => {
  using wash = new Wash();
  for (const kind of ["account", "module", "service", "server", "operator", "user", "cluster"] as const) {
    const made = wash.json("keys", "gen", kind);
    const pair = KeyPair.fromSeed(String(made.seed), kind);
    assert.equal(pair.publicKey, made.public_key);
    assert.equal(pair.seed, made.seed);
  }
});

test("what we sign, the real wash accepts and reads as we meant it", { skip }, () => {
  using wash = new Wash();
  const issuer = KeyPair.generate("account");
  const actor = KeyPair.generate("module");
  const signed = signModule(plain, {
    issuer,
    module: actor,
    name: "Counter",
    capabilities: ["wasmcloud:keyvalue", "demo:own"],
    tags: ["demo"],
    revision: -7,
    version: "9.9",
    callAlias: " Demo/Counter-1.x é",
  });
  writeFileSync(wash.file("ours.wasm"), signed);
  assert.deepEqual(wash.json("claims", "inspect", wash.file("ours.wasm")), {
    success: true,
    account: issuer.publicKey,
    module: actor.publicKey,
    name: "Counter",
    capabilities: ["K/V Store", "demo:own"],
    tags: "demo",
    revision: -7,
    version: "9.9",
    call_alias: "demo/counter_1_x_",
    expires: "never",
    can_be_used: "immediately",
  });
  const jwt = wash.run("claims", "inspect", wash.file("ours.wasm"), "--jwt-only").trim();
  assert.equal(decodeToken(jwt, "wash").text, jwt);
});

test("wash signs over our token and we over its, leaving one", { skip }, () => {
  using wash = new Wash();
  const issuer = KeyPair.generate("account");
  const actor = KeyPair.generate("module");
  writeFileSync(wash.file("a.wasm"), signModule(plain, { issuer, module: actor, name: "Ours" }));
  wash.run("claims", "sign", wash.file("a.wasm"), "-n", "Theirs", "-d", wash.file("b.wasm"));
  const theirs = new Uint8Array(readFileSync(wash.file("b.wasm")));
  assert.equal(ActorModule.fromBytes(theirs).claims.name, "Theirs");
  const ours = signModule(theirs, { issuer, module: actor, name: "Ours again" });
  assert.equal(readSections(ours, "m").sections.filter(({ name }) => name.includes("jwt")).length, 1);
  writeFileSync(wash.file("c.wasm"), ours);
  assert.equal(wash.json("claims", "inspect", wash.file("c.wasm")).name, "Ours again");
});

test("a module with padded lengths, signed by us, is minimal and wash agrees on its hash", { skip }, () => {
  using wash = new Wash();
  const padded = concatBytes([
    modulePreamble,
    ...readSections(plain, "m").sections.map(({ id, bodyStart, end }) =>
      paddedSection(id, plain.subarray(bodyStart, end)),
    ),
  ]);
  const signed = signModule(padded, {
    issuer: KeyPair.generate("account"),
    module: KeyPair.generate("module"),
    name: "P",
  });
  writeFileSync(wash.file("p.wasm"), signed);
  assert.equal(wash.json("claims", "inspect", wash.file("p.wasm")).name, "P");
});

test("what we find tampered, wash finds tampered", { skip }, () => {
  using wash = new Wash();
  writeFileSync(wash.file("m.wasm"), plain);
  wash.run("claims", "sign", wash.file("m.wasm"), "-n", "M", "-d", wash.file("s.wasm"));
  const bytes = new Uint8Array(readFileSync(wash.file("s.wasm")));
  const data = readSections(bytes, "m").sections.find(({ id }) => id === 11)!;
  bytes[data.end - 1]! ^= 1;
  writeFileSync(wash.file("s.wasm"), bytes);
  const { code, output } = wash.attempt("claims", "inspect", wash.file("s.wasm"));
  assert.equal(code, 1);
  assert.match(output, /Invalid module hash/);
  assert.throws(() => ActorModule.fromBytes(bytes, { name: "s.wasm" }), { code: "MODULE_TAMPERED" });
});

test("components with modules inside: both sign them and agree on the hash", { skip }, () => {
  using wash = new Wash();
  const inner = concatBytes([module(), custom("jwt", "an old token inside")]);
  const component = concatBytes([componentPreamble, section(1, inner), custom("producers", "z")]);
  writeFileSync(wash.file("c.wasm"), component);
  wash.run("claims", "sign", wash.file("c.wasm"), "-n", "C", "-d", wash.file("s.wasm"));
  const theirs = inspectModule(new Uint8Array(readFileSync(wash.file("s.wasm"))), "s.wasm");
  assert.equal(theirs.kind, "component");
  assert.deepEqual(
    theirs.problems.map(({ code }) => code),
    ["MODULE_IS_COMPONENT"],
  );
  const issuer = KeyPair.generate("account");
  writeFileSync(wash.file("o.wasm"), signModule(component, { issuer, module: KeyPair.generate("module"), name: "O" }));
  assert.equal(wash.json("claims", "inspect", wash.file("o.wasm")).name, "O");
});

test("a provider archive of wash is verified to its last binary", { skip }, () => {
  using wash = new Wash();
  writeFileSync(wash.file("bin"), "#!/bin/sh\n");
  const described = [
    "--capid",
    "wasmcloud:keyvalue",
    "--vendor",
    "Us",
    "--name",
    "KV",
    "--revision",
    "2",
    "--version",
    "0.2",
  ];
  const made = ["--arch", "x86_64-linux", "--binary", wash.file("bin"), "--destination", wash.file("kv.par")];
  wash.run("par", "create", ...described, ...made);
  const bytes = new Uint8Array(readFileSync(wash.file("kv.par")));
  const report = inspectModule(bytes, "kv.par");
  assert.equal(report.kind, "archive");
  assert.deepEqual(report.problems, []);
  assert.match(report.module!, /^V/);
  assert.deepEqual(report.capabilities, ["wasmcloud:keyvalue"]);
  assert.deepEqual(report.targets, ["x86_64-linux"]);
  assert.equal(report.name, "KV");
  assert.equal(report.revision, 2);
  const zipped = ["--compress", "--destination", wash.file("kv.par.gz")];
  wash.run("par", "create", ...described, ...made.slice(0, 4), ...zipped);
  const gz = inspectModule(new Uint8Array(readFileSync(wash.file("kv.par.gz"))), "kv.par.gz");
  assert.equal(gz.kind, "archive");
  assert.equal(gz.valid, true);
  const at = Buffer.from(bytes).indexOf("#!/bin/sh");
  bytes[at]! ^= 1;
  assert.deepEqual(
    inspectModule(bytes, "kv.par").problems.map(({ code }) => code),
    ["ARCHIVE_TAMPERED"],
  );
});

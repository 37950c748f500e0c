import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { appendToken, concatBytes, inspectModule, signModule } from "../../actors/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { historicKey, historicToken, signHistorically } from "../support/historic-tokens.ts";
import { componentPreamble, custom, guestModule, module, modulePreamble, section, text } from "../support/modules.ts";

const issuer = KeyPair.generate("account");
const actor = KeyPair.generate("module");
const plain = guestModule({ importModule: "wasmbus" });

function codes(bytes: Uint8Array, trust = {}): string[] {
  return inspectModule(bytes, "m.wasm", trust).problems.map(({ code }) => code);
}

test("the report of a good actor has every key of the command's JSON", () => {
  const dates = { issuedAt: 1_700_000_000, notBefore: 1_700_000_100, expiresAt: 1_700_000_200 };
  const metadata = { name: "Echo", revision: 3, version: "1.0", callAlias: "demo/echo", tags: ["t"], ...dates };
  const debug = custom(".debug_info", new Uint8Array(1_000));
  const signed = signModule(concatBytes([plain, debug]), {
    issuer,
    module: actor,
    capabilities: ["wasmcloud:keyvalue"],
    ...metadata,
  });
  const report = inspectModule(signed, "echo.wasm", { now: 1_700_000_150 });
  assert.match(report.hash!, /^[0-9A-F]{64}$/);
  assert.deepEqual(report, {
    kind: "actor",
    era: "E4",
    language: "other",
    module: actor.publicKey,
    account: issuer.publicKey,
    name: "Echo",
    version: "1.0",
    revision: 3,
    call_alias: "demo/echo",
    capabilities: ["wasmcloud:keyvalue"],
    tags: ["t"],
    issued_at: "2023-11-14T22:13:20Z",
    not_before: "2023-11-14T22:15:00Z",
    expires_at: "2023-11-14T22:16:40Z",
    hash: report.hash,
    valid: true,
    problems: [],
    imports: [{ module: "wasmbus", name: "__host_call", kind: "function" }],
    exports: [
      { name: "memory", kind: "memory" },
      { name: "__guest_call", kind: "function" },
    ],
    size: signed.length,
    size_without_debug: signed.length - debug.length,
    memory: { initial_bytes: 65_536, maximum_bytes: null, imported: false },
    portable_provider: false,
    vendor: null,
    targets: [],
  });
  assert.doesNotThrow(() => JSON.stringify(report));
});

test("an unsigned module shows what it is and that it is unsigned", () => {
  const report = inspectModule(plain, "echo.wasm");
  assert.equal(report.kind, "actor");
  assert.equal(report.era, "E4");
  assert.equal(report.module, null);
  assert.equal(report.valid, false);
  assert.deepEqual(report.problems, [{ code: "MODULE_UNSIGNED", message: "echo.wasm is not signed" }]);
});

test("all problems show at once, and the claims all the same", () => {
  const keys = { issuer: historicKey("operator"), subject: historicKey("module") };
  const signed = signHistorically(
    plain,
    { shape: "full", issuedAt: 1, expiresAt: 2, capabilities: [], name: "Old", hash: "0".repeat(64) },
    keys,
  );
  const report = inspectModule(signed, "old.wasm", { issuers: [] });
  assert.equal(report.name, "Old");
  assert.deepEqual(
    report.problems.map(({ code }) => code),
    ["TOKEN_KEY_KIND", "TOKEN_EXPIRED", "ISSUER_NOT_ALLOWED", "MODULE_TAMPERED"],
  );
  const [header, body] = historicToken(plain, { shape: "full", issuedAt: 1, capabilities: [] }, keys).split(".");
  const forged = appendToken(plain, `${header}.${body}.${Buffer.alloc(64).toString("base64url")}`);
  assert.ok(codes(forged).includes("TOKEN_SIGNATURE_INVALID"));
});

test("commands, components and other modules are told apart", () => {
  const command = module(
    section(1, [1, 0x60, 0, 0]),
    section(3, [1, 0]),
    section(7, [1], text("_start"), [0, 0]),
    section(10, [1, 2, 0, 0x0b]),
  );
  assert.equal(inspectModule(command, "hello.wasm").kind, "command");
  assert.equal(inspectModule(command, "hello.wasm").era, null);
  assert.deepEqual(codes(signModule(command, { issuer, module: actor })), []);
  assert.equal(inspectModule(module(), "m.wasm").kind, "unknown");
  assert.deepEqual(codes(module()), ["MODULE_UNSIGNED", "MODULE_EXPORT_MISSING"]);
  assert.equal(inspectModule(Buffer.from("hello"), "m.txt").kind, "unknown");
  assert.deepEqual(codes(Buffer.from("hello")), ["MODULE_NOT_WASM"]);
});

test("a component shows its world", () => {
  const component = concatBytes([
    componentPreamble,
    section(10, [2, 0], text("wasi:http/types@0.2.0"), [5, 0], [1], text("run"), [1, 0]),
    section(11, [1, 0], text("wasi:http/incoming-handler@0.2.0"), [5, 0, 0]),
  ]);
  const report = inspectModule(component, "c.wasm");
  assert.equal(report.kind, "component");
  assert.deepEqual(report.imports, [
    { module: "", name: "wasi:http/types@0.2.0", kind: "instance" },
    { module: "", name: "run", kind: "function" },
  ]);
  assert.deepEqual(report.exports, [{ name: "wasi:http/incoming-handler@0.2.0", kind: "instance" }]);
  assert.deepEqual(codes(component), ["MODULE_UNSIGNED", "MODULE_IS_COMPONENT"]);
  assert.deepEqual(codes(signModule(component, { issuer, module: actor })), ["MODULE_IS_COMPONENT"]);
});

test("no bytes make it throw", () => {
  const signed = signModule(plain, { issuer, module: actor, name: "Echo" });
  const noise = fc.uint8Array({ maxLength: 200 });
  const start = fc.constantFrom(
    new Uint8Array(),
    modulePreamble,
    componentPreamble,
    Uint8Array.of(0x1f, 0x8b),
    Uint8Array.of(...Buffer.alloc(257, 0x61), ...Buffer.from("ustar")),
  );
  fc.assert(
    fc.property(start, noise, (beginning, rest) => {
      const report = inspectModule(concatBytes([beginning, rest]), "noise");
      assert.equal(report.valid, false);
    }),
    { numRuns: 500 },
  );
  for (let length = 0; length < signed.length; length++)
    assert.equal(inspectModule(signed.subarray(0, length), "cut").valid, false);
  fc.assert(
    fc.property(fc.nat(signed.length - 1), fc.nat(255), (at, byte) => {
      const changed = Uint8Array.from(signed);
      changed[at] = byte;
      assert.equal(inspectModule(changed, "changed").valid, signed[at] === byte);
    }),
    { numRuns: 300 },
  );
});

test("a file over the size limit says so and still shows its claims", () => {
  const signed = signModule(plain, { issuer, module: actor, name: "Echo" });
  assert.deepEqual(codes(signed, { maxModuleBytes: 10 }), ["MODULE_TOO_LARGE"]);
  assert.equal(inspectModule(signed, "m", { maxModuleBytes: 10 }).name, "Echo");
});

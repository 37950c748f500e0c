import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  ActorModule,
  appendToken,
  concatBytes,
  minimalHash,
  rawHash,
  readSections,
  sectionId,
  signModule,
  withoutTokens,
} from "../../actors/index.ts";
import { isLatticeError, KeyPair } from "../../lattice/index.ts";
import { historicKey, historicToken, signHistorically } from "../support/historic-tokens.ts";
import type { HistoricClaims } from "../support/historic-tokens.ts";
import {
  componentPreamble,
  custom,
  guestModule,
  module,
  modulePreamble,
  paddedSection,
  section,
} from "../support/modules.ts";

const issuer = KeyPair.generate("account");
const actor = KeyPair.generate("module");
const keys = { issuer: historicKey("account"), subject: historicKey("module") };
const now = 1_700_000_000;
const claims: HistoricClaims = { shape: "full", issuedAt: now, capabilities: ["wascc:keyvalue"], name: "Echo" };
const plain = concatBytes([guestModule({ data: "some wascc: data" }), custom("producers", "rustc")]);

function signed(options: Partial<Parameters<typeof signModule>[1]> = {}): Uint8Array {
  return signModule(plain, { issuer, module: actor, name: "Echo", capabilities: ["wascc:keyvalue"], ...options });
}

function load(bytes: Uint8Array, trust = {}): ActorModule {
  return ActorModule.fromBytes(bytes, { name: "echo.wasm", trust });
}

/** A refusal with this code whose message names the file and which says what to do. */
function refuses(code: string, work: () => unknown): void {
  assert.throws(work, (error) => {
    assert.ok(isLatticeError(error), String(error));
    assert.equal(error.code, code);
    assert.match(error.message, /echo\.wasm/);
    assert.ok(error.hint, "says no fix");
    return true;
  });
}

test("a signed module loads with its claims, era, digest and origin", () => {
  const bytes = signed({ revision: 2, version: "0.2", callAlias: "demo/echo", tags: ["t"] });
  const loaded = load(bytes);
  assert.equal(loaded.claims.key, actor.publicKey);
  assert.equal(loaded.claims.issuer, issuer.publicKey);
  assert.deepEqual(loaded.claims.capabilities, ["wascc:keyvalue"]);
  assert.equal(loaded.claims.callAlias, "demo/echo");
  assert.equal(loaded.era, "E2");
  assert.equal(loaded.hostCallParameters, 8);
  assert.equal(loaded.digest, createHash("sha256").update(bytes).digest("hex"));
  assert.equal(loaded.origin, "echo.wasm");
  assert.equal(loaded.signedForDevelopment, false);
  assert.deepEqual(loaded.bytes, bytes);
});

test("one flipped bit anywhere in the file makes loading fail", () => {
  const bytes = signed();
  for (let at = 0; at < bytes.length; at++) {
    const changed = Uint8Array.from(bytes);
    changed[at]! ^= 1 << (at % 8);
    assert.throws(
      () => load(changed),
      (error) => isLatticeError(error),
      `byte ${at} of ${bytes.length}`,
    );
  }
});

for (const [what, id] of Object.entries({ code: 10, data: 11, imports: 2, exports: 7, types: 1, memory: 5 }))
  test(`a change of the ${what} after signing is found`, () => {
    const bytes = signed();
    const found = readSections(bytes, "m").sections.find((each) => each.id === id)!;
    const changed = Uint8Array.from(bytes);
    changed[found.end - 1]! ^= 1;
    refuses("MODULE_TAMPERED", () => load(changed));
  });

test("a token moved to another module is refused, whatever its revision says", () => {
  const other = concatBytes([guestModule({ data: "other" })]);
  for (const wascapRevision of [undefined, 1, 2, 3]) {
    const token = historicToken(plain, { ...claims, ...(wascapRevision && { wascapRevision }) }, keys);
    refuses("MODULE_TAMPERED", () => load(appendToken(other, token)));
  }
});

test("sections added, dropped, repeated or moved after signing are found", () => {
  const bytes = signed();
  const { sections } = readSections(bytes, "m");
  const parts = sections.map(({ start, end }) => bytes.subarray(start, end));
  refuses("MODULE_TAMPERED", () => load(module(custom("x", "y"), ...parts)));
  refuses("MODULE_TAMPERED", () => load(module(...parts.filter((_, index) => sections[index]!.name !== "producers"))));
  refuses("MODULE_TAMPERED", () => load(module(parts.at(-2)!, ...parts)));
  assert.doesNotThrow(() => load(module(parts.at(-1)!, ...parts.slice(0, -1))), "the token's place is free");
});

test("modules of signers of all times load: padded lengths, the old section name, every shape", () => {
  const walrus = concatBytes([
    modulePreamble,
    ...readSections(plain, "m").sections.map(({ id, bodyStart, end }) =>
      paddedSection(id, plain.subarray(bodyStart, end)),
    ),
  ]);
  for (const body of [plain, walrus])
    for (const shape of ["flat", "nameless", "full"] as const)
      for (const name of ["jwt", "wasmcloud_jwt"] as const)
        assert.equal(load(signHistorically(body, { ...claims, shape }, keys, name)).claims.shape, shape);
});

test("a module whose lengths another tool rewrote still loads by the minimal form", () => {
  const bytes = signed();
  const rewritten = concatBytes([
    modulePreamble,
    ...readSections(bytes, "m").sections.map(({ id, bodyStart, end }) =>
      paddedSection(id, bytes.subarray(bodyStart, end)),
    ),
  ]);
  const wasm = readSections(rewritten, "m");
  assert.notEqual(rawHash(rewritten, wasm), minimalHash(rewritten, "m"));
  assert.equal(load(rewritten).claims.key, actor.publicKey);
});

test("the partial hash of wascap 0.9.0 is refused by its own code", () => {
  // As that signer made it: function bodies, first data segment, content of other custom sections.
  const partial = createHash("sha256")
    .update(Uint8Array.of(0, 0x41, 1, 0x0b))
    .update("some wascc: data")
    .update("rustc");
  const hash = partial.digest("hex").toUpperCase();
  refuses("MODULE_HASH_PARTIAL", () => load(signHistorically(plain, { ...claims, wascapRevision: 2, hash }, keys)));
  refuses("MODULE_TAMPERED", () => load(signHistorically(plain, { ...claims, hash: hash.toLowerCase() }, keys)));
});

test("an unsigned module is refused and told how to sign", () => {
  refuses("MODULE_UNSIGNED", () => load(plain));
});

test("two tokens that differ are refused, two that agree are one", () => {
  const token = historicToken(plain, claims, keys);
  const other = historicToken(plain, { ...claims, name: "Other" }, keys);
  refuses("TOKENS_DIFFER", () => load(appendToken(appendToken(plain, token, "jwt"), other)));
  refuses("TOKENS_DIFFER", () => load(appendToken(appendToken(plain, token), other)));
  assert.equal(load(appendToken(appendToken(plain, token, "jwt"), token)).claims.name, "Echo");
});

test("a token with a wrong signature, in a wrong form or for another kind of key is refused", () => {
  const token = historicToken(plain, claims, keys);
  const [header, body] = token.split(".");
  const [, , signature] = historicToken(plain, { ...claims, name: "x" }, keys).split(".");
  refuses("TOKEN_SIGNATURE_INVALID", () => load(appendToken(plain, `${header}.${body}.${signature}`)));
  refuses("TOKEN_MALFORMED", () => load(appendToken(plain, "")));
  refuses("TOKEN_MALFORMED", () => load(appendToken(plain, `${token}\n`)));
  const wrongIssuer = { ...keys, issuer: historicKey("operator") };
  const wrongSubject = { ...keys, subject: historicKey("service") };
  refuses("TOKEN_KEY_KIND", () => load(signHistorically(plain, claims, wrongIssuer)));
  refuses("TOKEN_KEY_KIND", () => load(signHistorically(plain, claims, wrongSubject)));
});

test("dates are checked at load and again while the module is held", () => {
  const bytes = signed({ notBefore: now, expiresAt: now + 60 });
  refuses("TOKEN_TOO_EARLY", () => load(bytes, { now: now - 1 }));
  refuses("TOKEN_EXPIRED", () => load(bytes, { now: now + 60 }));
  const held = load(bytes, { now });
  assert.equal(held.claims.expiresAt, now + 60);
  assert.doesNotThrow(() => held.checkDates(now + 59));
  refuses("TOKEN_EXPIRED", () => held.checkDates(now + 60));
});

test("only the issuers of the allow list may have signed; an empty list allows none", () => {
  const bytes = signed();
  assert.doesNotThrow(() => load(bytes, { issuers: ["ABC", issuer.publicKey] }));
  refuses("ISSUER_NOT_ALLOWED", () => load(bytes, { issuers: [KeyPair.generate("account").publicKey] }));
  refuses("ISSUER_NOT_ALLOWED", () => load(bytes, { issuers: [] }));
});

test("a component is told what it is", () => {
  const component = concatBytes([componentPreamble, section(1, module())]);
  refuses("MODULE_IS_COMPONENT", () => load(component));
  refuses("MODULE_IS_COMPONENT", () => load(signModule(component, { issuer, module: actor })));
});

test("a module over the size limit is refused before it is read", async () => {
  const bytes = signed();
  assert.doesNotThrow(() => load(bytes, { maxModuleBytes: bytes.length }));
  refuses("MODULE_TOO_LARGE", () => load(bytes, { maxModuleBytes: bytes.length - 1 }));
  const folder = mkdtempSync(join(tmpdir(), "lattice-module-"));
  try {
    const file = join(folder, "echo.wasm");
    writeFileSync(file, bytes);
    assert.equal((await ActorModule.fromFile(file)).origin, "echo.wasm");
    const trust = { maxModuleBytes: 10 };
    await assert.rejects(ActorModule.fromFile(file, { trust }), { code: "MODULE_TOO_LARGE" });
    await assert.rejects(ActorModule.fromFile(join(folder, "absent.wasm")), { code: "FILE_ABSENT" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a lying length inside the file is refused, also behind a valid token", () => {
  refuses("MODULE_MALFORMED", () => load(concatBytes([signed(), Uint8Array.of(0, 0x7f, 1, 0x61)])));
  const lies = module(section(sectionId.import, [0xff, 0xff, 0xff, 0xff, 0x0f]));
  refuses("MODULE_MALFORMED", () => load(signModule(lies, { issuer, module: actor })));
});

test("in development an unsigned module is signed on load, keeps its key, and says so", () => {
  const development = KeyPair.generate("account");
  const first = load(plain, { development, issuers: [] });
  assert.equal(first.signedForDevelopment, true);
  assert.equal(first.claims.issuer, development.publicKey);
  assert.equal(first.claims.name, "echo");
  assert.deepEqual(first.claims.tags, ["development"]);
  const rebuilt = load(guestModule({ data: "wascc:keyvalue" }), { development: development.seed });
  assert.equal(rebuilt.claims.key, first.claims.key);
  assert.deepEqual(rebuilt.claims.capabilities, ["wascc:http_server", "wascc:keyvalue"]);
  assert.notEqual(load(plain, { development: KeyPair.generate("account") }).claims.key, first.claims.key);
});

test("development excuses no bad token", () => {
  const development = KeyPair.generate("account");
  const bytes = signed({ expiresAt: 1 });
  refuses("TOKEN_EXPIRED", () => load(bytes, { development }));
  const changed = concatBytes([signed(), custom("x", "y")]);
  refuses("MODULE_TAMPERED", () => load(changed, { development }));
});

test("bytes in shared memory are copied before they are checked", () => {
  const bytes = signed();
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  const loaded = load(shared);
  shared.fill(0);
  assert.deepEqual(loaded.bytes, bytes);
});

function originOf(held: ActorModule): string {
  return held.origin;
}

test("unchecked bytes cannot take a verified module's place", () => {
  // @ts-expect-error nobody but fromBytes and fromFile makes one
  assert.throws(() => new ActorModule(plain, "echo.wasm", {}), { code: "MODULE_UNSIGNED" });
  // @ts-expect-error a look-alike lacks what verification gives
  assert.equal(originOf({ bytes: plain, origin: "x" }), "x");
});

test("signing takes every earlier token out and changes nothing else", () => {
  const once = signed();
  const twice = signModule(appendToken(once, "old", "jwt"), { issuer, module: actor, name: "Again" });
  assert.deepEqual(withoutTokens(twice, "m"), withoutTokens(once, "m"));
  assert.deepEqual(withoutTokens(plain, "m"), plain);
  const names = readSections(twice, "m").sections.map(({ name }) => name);
  assert.deepEqual(names.slice(-2), ["producers", "wasmcloud_jwt"]);
  assert.equal(names.filter((name) => name.includes("jwt")).length, 1);
  assert.equal(load(twice).claims.name, "Again");
});

/** A component that holds a module twice: at once and in a component of its own. */
function nest(held: Uint8Array): Uint8Array {
  const inner = concatBytes([componentPreamble, section(1, held)]);
  return concatBytes([componentPreamble, section(4, inner), section(1, held)]);
}

test("tokens inside a component's modules go too, at every depth", () => {
  const inner = appendToken(module(), "token", "jwt");
  assert.deepEqual(withoutTokens(appendToken(nest(inner), "token"), "c"), nest(module()));
  let deep = module();
  for (let depth = 0; depth < 200; depth++) deep = concatBytes([componentPreamble, section(4, deep)]);
  assert.throws(() => withoutTokens(deep, "c"), { code: "MODULE_LIMIT" });
});

test("signing wants an account's seed and a module's key", () => {
  const service = KeyPair.generate("service");
  assert.throws(() => signModule(plain, { issuer: actor, module: actor }), { code: "KEY_WRONG_KIND" });
  assert.throws(() => signModule(plain, { issuer, module: service }), { code: "KEY_WRONG_KIND" });
  assert.throws(() => signModule(plain, { issuer, module: "nonsense" }), { code: "KEY_WRONG_KIND" });
  assert.throws(() => signModule(Buffer.from("text"), { issuer, module: actor, file: "x" }), {
    code: "MODULE_NOT_WASM",
  });
});

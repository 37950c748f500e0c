import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import {
  checkDates,
  compareRevisions,
  datesProblem,
  decodeActorClaims,
  decodeToken,
  encodeActorToken,
  encodeToken,
  KeyPair,
  maxTokenLength,
  normalizeCallAlias,
  verifyActorToken,
  verifyProviderToken,
  verifyToken,
} from "../../lattice/index.ts";
import type { ActorClaims, ActorMetadata, VerifiedActorClaims } from "../../lattice/index.ts";
import { historicKey, historicToken } from "../support/historic-tokens.ts";
import type { HistoricClaims } from "../support/historic-tokens.ts";

const account = KeyPair.generate("account");
const subject = KeyPair.generate("module").publicKey;
const hash = "A".repeat(64);
const issuer = historicKey("account");
const actor = historicKey("module");
const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** A token of any header and body, signed truly. */
function sign(header: unknown, body: unknown, key: KeyPair = account): string {
  return signSegments(segment(header), segment(body), key);
}

function signSegments(header: string, body: string, key: KeyPair = account): string {
  const signed = `${header}.${body}`;
  return `${signed}.${Buffer.from(key.sign(Buffer.from(signed))).toString("base64url")}`;
}

function segment(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

const header = { typ: "jwt", alg: "Ed25519" };
const body = {
  jti: "x",
  iat: 1_600_000_000,
  iss: account.publicKey,
  sub: subject,
  wascap: { name: "n", hash },
  wascap_revision: 3,
};

test("claims come back as they were signed", () => {
  const label = fc.string({ unit: fc.constantFrom(...Array.from("abc XYZ-é☃/:_.")) });
  const metadata: fc.Arbitrary<ActorMetadata> = fc.record({
    name: label.filter((name) => name !== ""),
    capabilities: fc.array(label.filter((id) => id !== "")),
    tags: fc.array(label),
    revision: fc.option(fc.integer(), { nil: undefined }),
    version: fc.option(label, { nil: undefined }),
    callAlias: fc.option(fc.constantFrom("a/b", "demo"), { nil: undefined }),
    portableProvider: fc.boolean(),
    issuedAt: fc.nat(),
    expiresAt: fc.option(fc.nat(), { nil: undefined }),
    notBefore: fc.option(fc.nat(), { nil: undefined }),
  });
  fc.assert(
    fc.property(metadata, (signed) => {
      const { token, tokenId, ...claims } = verifyActorToken(encodeActorToken(subject, hash, signed, account), "m");
      assert.deepEqual(claims, { ...signed, key: subject, issuer: account.publicKey, hash, shape: "full" });
      assert.match(tokenId, /^[0-9A-Za-z]{22}$/);
      assert.equal(token.split(".").length, 3);
    }),
    { numRuns: 50 },
  );
});

test("a token of ours begins with the literal header and names revision 3", () => {
  const [first, second] = encodeActorToken(subject, hash, {}, account).split(".");
  assert.equal(Buffer.from(first!, "base64url").toString(), '{"typ":"jwt","alg":"Ed25519"}');
  const claims = JSON.parse(Buffer.from(second!, "base64url").toString()) as Record<string, unknown>;
  assert.equal(claims.wascap_revision, 3);
  assert.deepEqual(claims.wascap, { hash, tags: [], caps: [], prov: false });
});

const historic: Record<string, HistoricClaims> = {
  flat: { shape: "flat", issuedAt: 1_570_000_000, capabilities: ["wascap:keyvalue"], tags: ["t"] },
  nameless: { shape: "nameless", issuedAt: 1_580_000_000, capabilities: [""] },
  full: { shape: "full", issuedAt: 1_590_000_000, capabilities: [], name: "Echo", revision: 4, version: "1.2" },
};
for (const [shape, signed] of Object.entries(historic))
  test(`a ${shape} token of its time is read and verified`, () => {
    const claims = verifyActorToken(historicToken(empty, signed, { issuer, subject: actor }), "old.wasm");
    assert.equal(claims.shape, shape);
    assert.equal(claims.key, actor.publicKey);
    assert.equal(claims.name, signed.name ?? actor.publicKey);
    assert.equal(claims.revision, signed.revision);
    assert.deepEqual(claims.capabilities, shape === "flat" ? ["wascap:keyvalue"] : []);
    assert.equal(claims.issuedAt, signed.issuedAt);
  });

test("a change of any member of header or claims breaks the signature or the form", () => {
  const good = sign(header, { ...body, exp: 4_000_000_000, nbf: 5 });
  const [first, second, third] = good.split(".") as [string, string, string];
  const claims = JSON.parse(Buffer.from(second, "base64url").toString()) as Record<string, unknown>;
  const other = KeyPair.generate("account").publicKey;
  const changes: Record<string, unknown> = {
    jti: "y",
    iat: 1,
    iss: other,
    sub: KeyPair.generate("module").publicKey,
    exp: 4_000_000_001,
    nbf: 4,
    wascap: { name: "n", hash: "B".repeat(64) },
    wascap_revision: 2,
  };
  assert.deepEqual(Object.keys(changes).toSorted(), Object.keys(claims).toSorted());
  for (const [member, value] of Object.entries(changes))
    assert.throws(() => verifyToken(`${first}.${segment({ ...claims, [member]: value })}.${third}`, "m.wasm"), {
      code: "TOKEN_SIGNATURE_INVALID",
      message: "the token of m.wasm has an invalid signature",
    });
  const otherSignature = Buffer.from(account.sign(Buffer.from("x"))).toString("base64url");
  assert.throws(() => verifyToken(`${first}.${second}.${otherSignature}`, "m"), { code: "TOKEN_SIGNATURE_INVALID" });
});

test("no single character of a token can change", () => {
  const good = sign(header, body);
  assert.doesNotThrow(() => verifyToken(good, "m"));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.constantFrom(...Array.from("ABab01-_.=+ \n")), (at, letter) => {
      if (good[at] === letter) return;
      assert.throws(() => verifyToken(good.slice(0, at) + letter + good.slice(at + 1), "m"), {
        code: /^(TOKEN_MALFORMED|TOKEN_SIGNATURE_INVALID|TOKEN_KEY_KIND)$/,
      });
    }),
    { numRuns: 300 },
  );
});

test("the signature is checked over the received bytes, not over JSON written again", () => {
  const loose = JSON.stringify(body).replaceAll(",", " ,\n").replace('"wascap"', '"wasc\\u0061p"');
  assert.equal(verifyActorToken(sign(header, loose), "m").name, "n");
});

const malformed: Record<string, string> = {
  "no text": "",
  "two segments": sign(header, body).split(".").slice(0, 2).join("."),
  "four segments": `${sign(header, body)}.AAAA`,
  "EdDSA as algorithm": sign({ typ: "jwt", alg: "EdDSA" }, body),
  "JWT in capitals": sign({ typ: "JWT", alg: "Ed25519" }, body),
  "an unknown header member": sign({ ...header, crit: ["x"] }, body),
  "padding in a segment": signSegments(`${segment(header)}=`, segment(body)),
  "claims that are no JSON": sign(header, "{"),
  "claims that are a list": sign(header, []),
  "claims that are null": sign(header, null),
  "claims that are not UTF-8": signSegments(segment(header), Buffer.from([0x22, 0xff, 0x22]).toString("base64url")),
  "no issuer": sign(header, { ...body, iss: undefined }),
  "a subject that is a number": sign(header, { ...body, sub: 5 }),
  "no time of issue": sign(header, { ...body, iat: undefined }),
  "a time that is text": sign(header, { ...body, exp: "never" }),
  "a negative time": sign(header, { ...body, nbf: -1 }),
  "a broken time": sign(header, { ...body, exp: 1.5 }),
  "a time beyond numbers": sign(header, JSON.stringify(body).replace("1600000000", "1e400")),
  "metadata that is text": sign(header, { ...body, wascap: "x" }),
  "capabilities that are text": sign(header, { ...body, wascap: { hash, caps: "x" } }),
  "a capability that is a number": sign(header, { ...body, wascap: { hash, caps: [1] } }),
  "a revision beyond 32 bits": sign(header, { ...body, wascap: { hash, rev: 2 ** 31 } }),
  "a portable flag that is text": sign(header, { ...body, wascap: { hash, prov: "no" } }),
  "nesting without end": sign(
    header,
    `{"a":${"[".repeat(50_000)}${"]".repeat(50_000)},${JSON.stringify(body).slice(1)}`,
  ),
};
for (const [what, token] of Object.entries(malformed))
  test(`a token with ${what} is malformed`, () => {
    assert.throws(() => verifyActorToken(token, "m.wasm"), { code: "TOKEN_MALFORMED", message: /m\.wasm/ });
  });

test("a token over the length limit is refused before it is read", () => {
  const huge = `${segment(header)}.${"A".repeat(maxTokenLength)}.AAAA`;
  const before = performance.now();
  assert.throws(() => decodeToken(huge, "m"), { code: "TOKEN_MALFORMED", message: /characters, more than 262144/ });
  assert.ok(performance.now() - before < 5_000);
});

test("members of the object's prototype are not members of a token", () => {
  const claims = verifyActorToken(sign(header, `{"__proto__":{"exp":1},${JSON.stringify(body).slice(1)}`), "m");
  assert.equal(claims.expiresAt, undefined);
});

test("issuer and subject must be keys of the right kind", () => {
  const operator = KeyPair.generate("operator");
  const cases: [string, RegExp][] = [
    [sign(header, { ...body, iss: operator.publicKey }, operator), /iss .*account \(A\).*O\.\.\./],
    [sign(header, { ...body, sub: KeyPair.generate("service").publicKey }), /sub .*module \(M\).*V\.\.\./],
    [sign(header, { ...body, sub: "" }), /sub .*nothing/],
    [sign(header, { ...body, iss: "somebody" }), /iss .*other text/],
  ];
  for (const [token, message] of cases)
    assert.throws(() => verifyActorToken(token, "m"), { code: "TOKEN_KEY_KIND", message });
});

test("a provider's token is not an actor's, nor the reverse", () => {
  const provider = { capid: "wasmcloud:keyvalue", vendor: "x", target_hashes: { "x86_64-linux": hash }, name: "KV" };
  const service = KeyPair.generate("service").publicKey;
  const token = sign(header, { ...body, sub: service, wascap: provider });
  assert.throws(() => decodeActorClaims(token, "kv.par"), { code: "TOKEN_KIND" });
  assert.throws(() => verifyActorToken(sign(header, { ...body, wascap: { name: "n" } }), "m"), { code: "TOKEN_KIND" });
  const claims = verifyProviderToken(token, "kv.par");
  assert.equal(claims.contractId, "wasmcloud:keyvalue");
  assert.equal(claims.targetHashes.get("x86_64-linux"), hash);
  assert.throws(() => verifyProviderToken(sign(header, body), "m"), { code: "TOKEN_KEY_KIND" });
});

test("a token holds from nbf on and until exp, to the second", () => {
  const dates = { name: "Echo", notBefore: 1_000, expiresAt: 2_000 };
  assert.equal(datesProblem(dates, 999.9), "early");
  assert.equal(datesProblem(dates, 1_000), undefined);
  assert.equal(datesProblem(dates, 1_999.9), undefined);
  assert.equal(datesProblem(dates, 2_000), "expired");
  assert.equal(datesProblem({ notBefore: undefined, expiresAt: undefined }, 0), undefined);
  assert.throws(() => checkDates(dates, 1), {
    code: "TOKEN_TOO_EARLY",
    message: "the token of Echo may not be used before 1970-01-01T00:16:40Z",
  });
  assert.throws(() => checkDates(dates, 3_000, "echo.wasm"), {
    code: "TOKEN_EXPIRED",
    message: "the token of echo.wasm expired at 1970-01-01T00:33:20Z",
  });
  assert.throws(() => checkDates({ notBefore: Number.MAX_SAFE_INTEGER, expiresAt: undefined }, 1), {
    code: "TOKEN_TOO_EARLY",
  });
});

test("control characters in names do not reach a terminal", () => {
  const claims = verifyActorToken(sign(header, { ...body, wascap: { name: "a\u001b[31mb\u202e", hash } }), "m");
  assert.equal(claims.name, "a [31mb ");
});

test("a call alias is written as other signers write it", () => {
  assert.equal(normalizeCallAlias("  Demo/My-Actor.v1 é☃x "), "demo/my_actor_v1_x");
});

const at = (revision: number | undefined, issuedAt: number) => ({ revision, issuedAt });

test("revisions order by rev and then by time of issue; no rev counts as 0", () => {
  assert.ok(compareRevisions(at(undefined, 9), at(1, 1)) < 0);
  assert.ok(compareRevisions(at(0, 1), at(undefined, 2)) < 0);
  assert.ok(compareRevisions(at(-1, 9), at(0, 1)) < 0);
  assert.equal(compareRevisions(at(3, 5), at(3, 5)), 0);
});

test("a revision beyond 32 bits and a curve key cannot sign", () => {
  assert.throws(() => encodeActorToken(subject, hash, { revision: 2 ** 31 }, account), { code: "OPTION_OUT_OF_RANGE" });
  assert.throws(() => encodeToken({ subject, metadata: {} }, KeyPair.generate("curve")), { code: "KEY_WRONG_KIND" });
});

test("unchecked claims are not verified claims to the compiler", () => {
  const unchecked: ActorClaims = decodeActorClaims(sign(header, body), "m");
  // @ts-expect-error only the verifier makes verified claims
  const verified: VerifiedActorClaims = unchecked;
  assert.equal(verified.name, "n");
});

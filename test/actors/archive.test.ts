import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { binaryOf, insertBinary, inspectModule, makeArchive, ownTarget, verifyArchive } from "../../actors/index.ts";
import { writeTar } from "../../actors/archive/tar.ts";
import { encodeToken, KeyPair } from "../../lattice/index.ts";

const issuer = KeyPair.generate("account");
const service = KeyPair.generate("service");
const program = Buffer.from("#!/bin/sh\n");
const about = { name: "Payments", contractId: "demo:payments", vendor: "Demo", issuer, subject: service.publicKey };
const binaries = new Map([
  [ownTarget(), program],
  ["riscv64-plan9", Buffer.from("other")],
]);
const archive = makeArchive({ ...about, revision: 3, version: "0.3", binaries });

test("an archive gives back what was put into it, plain and compressed", () => {
  for (const bytes of [archive, makeArchive({ ...about, binaries, compress: true })]) {
    const verified = verifyArchive(bytes);
    assert.equal(verified.claims.key, service.publicKey);
    assert.equal(verified.claims.contractId, "demo:payments");
    assert.deepEqual(Buffer.from(binaryOf(verified)), program);
    assert.deepEqual([...verified.binaries.keys()].toSorted(), [...binaries.keys()].toSorted());
    assert.equal(inspectModule(bytes, "x").valid, true);
  }
});

test("the same parts give the same bytes but for the token", () => {
  const other = makeArchive({ ...about, revision: 3, version: "0.3", binaries });
  assert.equal(other.length, archive.length);
});

test("whatever is wrong with an archive is refused, each with its own code", () => {
  const token = (metadata: object, more: object = {}, signer = issuer, subject = service.publicKey) =>
    encodeToken({ subject, metadata: { name: "x", capid: "demo:x", vendor: "x", ...metadata }, ...more }, signer);
  const hashes = { target_hashes: { "a-b": "98EA6E4F216F2FB4B69FFF9B3A44842C38686CA685F3F55DC48C5D3FB1107BE4" } };
  const good = Buffer.from("hi\n");
  const packed = (text: string | undefined, files: Record<string, Uint8Array> = { "a-b.bin": good }) =>
    writeTar([
      ...(text === undefined ? [] : [["claims.jwt", Buffer.from(text), 0o644] as const]),
      ...Object.entries(files).map(([name, content]) => [name, content, 0o755] as const),
    ]);
  assert.equal(verifyArchive(packed(token(hashes))).claims.contractId, "demo:x");
  const signed = token(hashes);
  const [head, body, signature] = signed.split(".");
  const past = Math.floor(Date.now() / 1_000) - 10;
  const wrong: Readonly<Record<string, readonly (readonly [Uint8Array, object?])[]>> = {
    ARCHIVE_MALFORMED: [
      [packed(undefined)],
      [packed(signed, {})],
      [packed(signed).subarray(0, 700)],
      [gzipSync(packed(signed)).subarray(0, 100)],
      [packed(signed, { "../../up.bin": good })],
      [packed(signed, { "/abs.bin": good })],
      [packed(signed, { "a b.bin": good })],
      [packed(signed, { ".bin": good })],
      [Buffer.concat([packed(signed).subarray(0, -1_024), packed(signed)])],
    ],
    ARCHIVE_TAMPERED: [
      [packed(signed, { "a-b.bin": Buffer.from("ho\n") })],
      [packed(signed, { "a-b.bin": good, "c-d.bin": good })],
      [packed(token({}))],
    ],
    TOKEN_SIGNATURE_INVALID: [
      [
        packed(
          `${head}.${body}.${Buffer.from(signature ?? "", "base64url")
            .fill(1)
            .toString("base64url")}`,
        ),
      ],
      [packed(`${head}.${token({ ...hashes, vendor: "y" }).split(".")[1]}.${signature}`)],
    ],
    TOKEN_KEY_KIND: [
      [packed(token(hashes, {}, KeyPair.generate("user")))],
      [packed(token(hashes, {}, issuer, KeyPair.generate("module").publicKey))],
    ],
    TOKEN_EXPIRED: [[packed(token(hashes, { expiresAt: past }))]],
    TOKEN_TOO_EARLY: [[packed(token(hashes, { notBefore: past + 3_600 }))]],
    ISSUER_NOT_ALLOWED: [
      [packed(signed), { issuers: [KeyPair.generate("account").publicKey] }],
      [packed(signed), { issuers: [] }],
    ],
    MODULE_TOO_LARGE: [[packed(signed), { maxModuleBytes: 100 }]],
  };
  for (const [code, cases] of Object.entries(wrong)) {
    for (const [at, [bytes, trust = {}]] of cases.entries()) {
      assert.throws(() => verifyArchive(bytes, { name: "x.par", trust }), { code }, `${code} ${at}`);
    }
  }
  assert.throws(() => binaryOf(verifyArchive(archive), "mips-unix"), {
    code: "ARCHIVE_TARGET_ABSENT",
    message: /no binary for mips-unix, only for .*riscv64-plan9/,
  });
});

test("every changed byte of claims or binary is refused", () => {
  const whole = Buffer.from(makeArchive({ ...about, binaries: new Map([["a-b", program]]) }));
  const token = whole.indexOf("eyJ");
  const binary = whole.indexOf(program);
  for (const at of [token, token + 60, token + 200, binary, binary + program.length - 1]) {
    const changed = Uint8Array.from(whole);
    changed[at]! ^= 1;
    assert.throws(() => verifyArchive(changed), { name: "LatticeError" }, `byte ${at}`);
  }
});

test("a binary is added or replaced and the rest stays as it was, unless the rest is not what was signed", () => {
  const other = KeyPair.generate("account");
  const more = insertBinary(archive, "aarch64-macos", Buffer.from("mac"), { issuer: other });
  const { claims, binaries: there } = verifyArchive(more);
  assert.equal(claims.key, service.publicKey);
  assert.equal(claims.issuer, other.publicKey);
  assert.deepEqual([claims.name, claims.revision, claims.version, claims.vendor], ["Payments", 3, "0.3", "Demo"]);
  assert.equal(there.size, 3);
  const replaced = verifyArchive(insertBinary(more, "aarch64-macos", Buffer.from("mac 2"), { issuer }));
  assert.deepEqual(Buffer.from(binaryOf(replaced, "aarch64-macos")), Buffer.from("mac 2"));
  const tampered = Buffer.from(archive);
  tampered[tampered.indexOf("#!/bin/sh")]! ^= 1;
  assert.throws(() => insertBinary(tampered, "a-b", program, { issuer }), { code: "ARCHIVE_TAMPERED" });
  assert.throws(() => insertBinary(archive, "../x", program, { issuer }), { code: "OPTION_OUT_OF_RANGE" });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { fromCurveSeed } from "nkeys.js";
import { KeyPair, mostSecretBytes, openSecret, readSealedSecret, sealSecret } from "../../lattice/index.ts";

const [one, two, stranger] = [KeyPair.generate("curve"), KeyPair.generate("curve"), KeyPair.generate("curve")];

test("a secret opens for everybody it was sealed for, and for nobody else", () => {
  const entry = sealSecret("hunter2 ✓", [one.publicKey, two.publicKey, one.publicKey]);
  assert.ok(!Buffer.from(entry).includes("hunter2"));
  for (const keys of [[one], [two], [stranger, two]]) assert.deepEqual(openSecret(entry, keys), { text: "hunter2 ✓" });
  const refused = openSecret(entry, [stranger]);
  assert.ok("problem" in refused);
  for (const { publicKey } of [one, two, stranger]) assert.ok(refused.problem.includes(publicKey));
  assert.deepEqual([...readSealedSecret(entry)!.to.keys()], [one.publicKey, two.publicKey]);
  assert.deepEqual(openSecret(sealSecret("", [one.publicKey]), [one]), { text: "" });
});

test("each box is what nkeys' own xkey opens, and its seal is what we open", () => {
  const { from, to } = readSealedSecret(sealSecret("hunter2", [one.publicKey]))!;
  const theirs = fromCurveSeed(Buffer.from(one.seed)) as unknown as {
    open(box: Uint8Array, sender: string): Uint8Array | null;
    seal(bytes: Uint8Array, recipient: string): Uint8Array;
  };
  assert.equal(Buffer.from(theirs.open(to.get(one.publicKey)!, from)!).toString(), "hunter2");
  const box = Buffer.from(theirs.seal(Buffer.from("theirs"), two.publicKey)).toString("base64");
  const entry = Buffer.from(JSON.stringify({ from: one.publicKey, to: { [two.publicKey]: box } }));
  assert.deepEqual(openSecret(entry, [two]), { text: "theirs" });
});

test("one seal is never like another, and what was changed does not open", () => {
  const entry = sealSecret("hunter2", [one.publicKey]);
  assert.notDeepEqual(entry, sealSecret("hunter2", [one.publicKey]));
  const { from, to } = JSON.parse(Buffer.from(entry).toString()) as { from: string; to: Record<string, string> };
  const box = Buffer.from(to[one.publicKey]!, "base64");
  for (let at = 0; at < box.length; at++) {
    const altered = Buffer.from(box);
    altered[at]! ^= 1;
    const other = Buffer.from(JSON.stringify({ from, to: { [one.publicKey]: altered.toString("base64") } }));
    const opened = openSecret(other, [one]);
    assert.ok("problem" in opened && /altered/.test(opened.problem), `byte ${at}`);
  }
  const foreign = Buffer.from(JSON.stringify({ from: two.publicKey, to }));
  assert.ok("problem" in openSecret(foreign, [one]));
  for (const cut of [0, 4, 28, 29, box.length - 1]) {
    const to = { [one.publicKey]: box.subarray(0, cut).toString("base64") };
    assert.ok("problem" in openSecret(Buffer.from(JSON.stringify({ from, to })), [one]));
  }
});

test("what is no entry says so", () => {
  for (const text of [
    "",
    "x",
    "null",
    "1",
    "[]",
    "{}",
    '{"from":1,"to":{}}',
    `{"from":"${one.publicKey}","to":null}`,
  ]) {
    const opened = openSecret(Buffer.from(text), [one]);
    assert.ok("problem" in opened && /secret put/.test(opened.problem), text);
  }
  const empty = Buffer.from(JSON.stringify({ from: one.publicKey, to: { __proto__: "x", [two.publicKey]: 1 } }));
  const opened = openSecret(empty, []);
  assert.ok("problem" in opened && /sealed for nobody.*: none/.test(opened.problem));
});

test("only X keys, and a bounded text", () => {
  assert.throws(() => sealSecret("x", []), { code: "OPTION_OUT_OF_RANGE" });
  assert.throws(() => sealSecret("x", [KeyPair.generate("account").publicKey]), { code: "KEY_WRONG_KIND" });
  assert.throws(
    () => sealSecret("x", [one.seed]),
    (error: Error) => !error.message.includes(one.seed),
  );
  const most = "x".repeat(mostSecretBytes);
  assert.deepEqual(openSecret(sealSecret(most, [one.publicKey]), [one]), { text: most });
  assert.throws(() => sealSecret(`${most}x`, [one.publicKey]), { code: "OPTION_OUT_OF_RANGE" });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { verifyOnce } from "../../host/membership/proven-lately.ts";
import { KeyPair } from "../../lattice/index.ts";

test("what was proven stands for the same key, message and signature, and for nothing else", () => {
  const [key, other] = [KeyPair.generate("server"), KeyPair.generate("server")];
  const message = Buffer.from("here I am");
  const signature = Buffer.from(key.sign(message)).toString("base64url");
  for (let turn = 0; turn < 2; turn++) {
    assert.equal(verifyOnce(key.publicKey, message, signature), true);
    assert.equal(verifyOnce(key.publicKey, Buffer.from("here I was"), signature), false);
    assert.equal(verifyOnce(other.publicKey, message, signature), false);
    const forged = Buffer.from(other.sign(message)).toString("base64url");
    assert.equal(verifyOnce(key.publicKey, message, forged), false);
    assert.equal(verifyOnce(key.publicKey, message, ""), false);
  }
});

test("what was proven long ago is proven anew", () => {
  const key = KeyPair.generate("server");
  for (let at = 0; at < 1_100; at++) {
    const message = Buffer.from(String(at));
    assert.equal(verifyOnce(key.publicKey, message, Buffer.from(key.sign(message)).toString("base64url")), true);
  }
  const first = Buffer.from("0");
  assert.equal(verifyOnce(key.publicKey, first, Buffer.from(key.sign(first)).toString("base64url")), true);
});

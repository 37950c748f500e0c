import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import {
  createAccount,
  createCluster,
  createCurve,
  createOperator,
  createServer,
  createUser,
  fromPublic,
  fromSeed,
} from "nkeys.js";
import {
  decodePublicKey,
  encodePublicKey,
  isPublicKey,
  keyKinds,
  keyLetter,
  KeyPair,
  seedOf,
  verifySignature,
} from "../../lattice/index.ts";
import { historicKeyFromSeed, historicSeed } from "../support/historic-tokens.ts";

const message = Buffer.from("what is signed");
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const anyKind = fc.constantFrom(...keyKinds);

test("each kind of key has its letter in public keys and behind the S of seeds", () => {
  const letters = Object.fromEntries(keyKinds.map((kind) => [kind, keyLetter(kind)]));
  assert.deepEqual(letters, {
    account: "A",
    cluster: "C",
    module: "M",
    server: "N",
    operator: "O",
    user: "U",
    service: "V",
    curve: "X",
  });
  for (const kind of keyKinds) {
    const pair = KeyPair.generate(kind);
    assert.match(pair.publicKey, new RegExp(`^${keyLetter(kind)}[A-Z2-7]{55}$`));
    assert.match(pair.seed, new RegExp(`^S${keyLetter(kind)}[A-Z2-7]{56}$`));
  }
});

test("a pair comes back from its seed and a public key from its text", () => {
  fc.assert(
    fc.property(anyKind, bytes32, (kind, secret) => {
      const pair = KeyPair.fromSeed(seedOf(kind, secret), kind);
      assert.equal(pair.kind, kind);
      assert.equal(pair.seed, seedOf(kind, secret));
      const { kind: decodedKind, bytes } = decodePublicKey(pair.publicKey);
      assert.equal(decodedKind, kind);
      assert.equal(encodePublicKey(kind, bytes), pair.publicKey);
    }),
  );
});

test("a signature holds for its message and key, and for no other message, key or length", () => {
  const pair = KeyPair.generate("account");
  const signature = pair.sign(message);
  assert.equal(signature.length, 64);
  assert.ok(verifySignature(pair.publicKey, message, signature));
  assert.ok(!verifySignature(pair.publicKey, Buffer.from("What is signed"), signature));
  assert.ok(!verifySignature(KeyPair.generate("account").publicKey, message, signature));
  assert.ok(!verifySignature(pair.publicKey, message, signature.subarray(1)));
  for (let bit = 0; bit < 512; bit += 37) {
    const wrong = Uint8Array.from(signature);
    wrong[bit >> 3]! ^= 1 << (bit & 7);
    assert.ok(!verifySignature(pair.publicKey, message, wrong), `bit ${bit}`);
  }
});

test("one changed character of a public key makes it no key", () => {
  fc.assert(
    fc.property(
      anyKind,
      bytes32,
      fc.nat(55),
      fc.constantFrom(...Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
      (kind, bytes, at, letter) => {
        const key = encodePublicKey(kind, bytes);
        const changed = key.slice(0, at) + letter + key.slice(at + 1);
        assert.equal(isPublicKey(changed), changed === key);
      },
    ),
  );
});

test("any other text is no key and throws nothing but KEY_MALFORMED", () => {
  const anyText = fc.oneof(
    fc.string(),
    fc.string({ minLength: 56, maxLength: 58, unit: fc.constantFrom(...Array.from("ASMN27a1=")) }),
  );
  fc.assert(
    fc.property(anyText, (text) => {
      assert.equal(isPublicKey(text), false);
      assert.throws(() => decodePublicKey(text), { code: "KEY_MALFORMED" });
      assert.throws(() => KeyPair.fromSeed(text), { code: "KEY_MALFORMED" });
    }),
  );
});

test("a seed has one way to be written: the bits behind its last letter are zero", () => {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const { seed } = KeyPair.generate("account");
  const last = letters.indexOf(seed.at(-1)!);
  assert.equal(last % 4, 0);
  for (let spare = 1; spare < 4; spare++)
    assert.throws(() => KeyPair.fromSeed(seed.slice(0, -1) + letters[last + spare]!), { code: "KEY_MALFORMED" });
});

test("a seed never shows in JSON, in the console or in an error", () => {
  const pair = KeyPair.generate("module");
  assert.equal(JSON.stringify({ pair }), JSON.stringify({ pair: pair.publicKey }));
  assert.equal(inspect(pair, { showHidden: true, depth: 9 }), `KeyPair ${pair.publicKey}`);
  const wrong = `${pair.seed.slice(0, -1)}${pair.seed.endsWith("A") ? "B" : "A"}`;
  for (const attempt of [() => KeyPair.fromSeed(wrong), () => decodePublicKey(pair.seed), () => decodePublicKey(wrong)])
    assert.throws(attempt, (error: Error) => !`${error.message}${inspect(error)}`.includes(wrong.slice(2, 10)));
});

test("a seed of another kind than the one wanted is refused by both names", () => {
  assert.throws(() => KeyPair.fromSeed(KeyPair.generate("module").seed, "account"), {
    code: "KEY_WRONG_KIND",
    message: "a key of kind account (A) is needed, this one is of kind module (M)",
  });
});

test("a curve key has a form but does not sign", () => {
  const curve = KeyPair.generate("curve");
  assert.throws(() => curve.sign(message), { code: "KEY_WRONG_KIND" });
  assert.ok(!verifySignature(curve.publicKey, message, new Uint8Array(64)));
});

test("nkeys.js reads our seeds and signatures, and we read its", () => {
  const makers = {
    account: createAccount,
    cluster: createCluster,
    operator: createOperator,
    server: createServer,
    user: createUser,
  };
  for (const [kind, make] of Object.entries(makers)) {
    const theirs = make();
    const seed = Buffer.from(theirs.getSeed()).toString();
    const ours = KeyPair.fromSeed(seed);
    assert.equal(ours.kind, kind);
    assert.equal(ours.publicKey, theirs.getPublicKey());
    assert.ok(verifySignature(ours.publicKey, message, theirs.sign(message)));
    assert.ok(fromPublic(ours.publicKey).verify(message, ours.sign(message)));
    const back = KeyPair.generate(ours.kind);
    assert.equal(fromSeed(Buffer.from(back.seed)).getPublicKey(), back.publicKey);
  }
  const curve = createCurve();
  assert.equal(KeyPair.fromSeed(Buffer.from(curve.getSeed()).toString()).publicKey, curve.getPublicKey());
});

test("an independent codec agrees on module and service keys, which nkeys.js does not know", () => {
  fc.assert(
    fc.property(fc.constantFrom("module", "service"), bytes32, (kind, secret) => {
      const seed = historicSeed(kind, secret);
      assert.equal(seedOf(kind, secret), seed);
      assert.equal(KeyPair.fromSeed(seed).publicKey, historicKeyFromSeed(seed).publicKey);
    }),
    { numRuns: 30 },
  );
});

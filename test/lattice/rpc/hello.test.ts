import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import {
  acceptHello,
  chooseForm,
  encodeHello,
  encodeToken,
  Hellos,
  KeyPair,
  SessionIdentity,
} from "../../../lattice/index.ts";
import type { HelloBody } from "../../../lattice/index.ts";

const lattice = "shop";
const host = KeyPair.generate("server");
const cluster = KeyPair.generate("cluster");
const sessionKey = KeyPair.generate("curve").publicKey;
const now = 1_800_000_000;
const issuers = [cluster.publicKey];
const body: HelloBody = { lattice, sessionKey, rpc: "both", issuedAt: now - 10, expiresAt: now + 100 };
const rules = { lattice, issuers, nowSeconds: now };

/** A hello of any metadata, signed truly, with a voucher of any body. */
function forge(metadata: object, voucher: object = {}, signers: { host?: KeyPair; cluster?: KeyPair } = {}): string {
  const dates = { issuedAt: now - 10, expiresAt: now + 100 };
  const vouched = { purpose: "wasmlattice host", lattice, ...voucher };
  const subject = host.publicKey;
  const text = encodeToken({ subject, ...dates, metadata: vouched }, signers.cluster ?? cluster);
  return encodeToken(
    { subject, ...dates, metadata: { lattice, session_key: sessionKey, rpc: "both", voucher: text, ...metadata } },
    signers.host ?? host,
  );
}

test("a hello comes back as it was signed", () => {
  const text = encodeHello(body, host, cluster);
  assert.deepEqual({ ...acceptHello(text, rules) }, { ...body, host: host.publicKey, issuer: cluster.publicKey, text });
});

const stranger = KeyPair.generate("cluster");
const refusals: readonly (readonly [string, () => string, RegExp])[] = [
  ["of another lattice", () => encodeHello({ ...body, lattice: "other" }, host, cluster), /lattice other/],
  ["that expired", () => encodeHello({ ...body, expiresAt: now }, host, cluster), /it expired/],
  [
    "of a foreign cluster",
    () => encodeHello(body, host, stranger),
    new RegExp(`${stranger.publicKey}.*${cluster.publicKey}`),
  ],
  ["signed by another host", () => forge({}, {}, { host: KeyPair.generate("server") }), /signs for itself/],
  ["without a voucher", () => forge({ voucher: undefined }), /three segments/],
  ["vouched for by itself", () => forge({}, {}, { cluster: host }), /list of cluster issuers/],
  ["whose voucher is for another lattice", () => forge({}, { lattice: "other" }), /something else/],
  ["whose voucher is another token of the cluster", () => forge({}, { purpose: undefined }), /something else/],
  ["with a key that agrees nothing", () => forge({ session_key: host.publicKey }), /no curve key/],
  ["of an unknown form", () => forge({ rpc: "plain" }), /no form/],
  ["with members of a wrong type", () => forge({ rpc: 3 }), /rpc is not text/],
  ["that is no token", () => "hello", /three segments/],
  ["that is far too long", () => "x".repeat(10_000), /longer/],
  ["by an actor's key", () => forge({}, {}, { host: KeyPair.generate("module") }), /signs for itself/],
];
for (const [what, make, why] of refusals)
  test(`a hello ${what} is refused`, () => {
    assert.throws(() => acceptHello(make(), rules), { code: "HELLO_REFUSED", message: why });
  });

test("a hello whose voucher is another host's is refused", () => {
  const other = encodeToken(
    { subject: KeyPair.generate("server").publicKey, metadata: { purpose: "wasmlattice host", lattice } },
    cluster,
  );
  assert.throws(() => acceptHello(forge({ voucher: other }), rules), /for another host/);
});

test("a hello with any character changed is refused", () => {
  const text = encodeHello(body, host, cluster);
  for (let at = 0; at < text.length; at += 7) {
    const changed = text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
    assert.throws(() => acceptHello(changed, rules), { code: "HELLO_REFUSED" });
  }
});

test("what a host said stands: an older hello takes nothing back, and none neither", () => {
  const hellos = new Hellos({ lattice, issuers, rpc: "both", now: () => now * 1_000 });
  assert.equal(hellos.formFor(host.publicKey).form, "none");
  const old = encodeHello({ ...body, rpc: "wasmcloud", issuedAt: now - 20 }, host, cluster);
  hellos.accept(encodeHello({ ...body, rpc: "session" }, host, cluster));
  assert.throws(() => hellos.accept(old), { code: "HELLO_REFUSED" });
  assert.deepEqual(hellos.formFor(host.publicKey), { form: "session" });
  const other = { ...body, sessionKey: KeyPair.generate("curve").publicKey, issuedAt: now - 5 };
  assert.equal(hellos.accept(encodeHello(other, host, cluster)).sessionKey, other.sessionKey);
});

test("an older hello of the same process, from another of its threads, changes nothing", () => {
  const hellos = new Hellos({ lattice, issuers, rpc: "both", now: () => now * 1_000 });

  test("hellos of all threads of a process are checked once each, however often they alternate", () => {
    let checked = 0;
    const counted = Object.assign([...issuers], { includes: (key: string) => (checked++, issuers.includes(key)) });
    const hellos = new Hellos({ lattice, issuers: counted, rpc: "both", now: () => now * 1_000 });
    const texts = [0, 5, 2].map((later) => encodeHello({ ...body, issuedAt: body.issuedAt + later }, host, cluster));
    for (const text of texts) hellos.accept(text);
    for (const text of [...texts, ...texts]) assert.equal(hellos.accept(text).sessionKey, sessionKey);
    const once = checked;
    for (const text of texts) hellos.accept(text);
    assert.equal(checked, once);
    assert.ok(once <= texts.length + 1, `${once} checks of ${texts.length} hellos`);
  });
  const latest = hellos.accept(encodeHello(body, host, cluster));
  assert.equal(hellos.accept(encodeHello({ ...body, issuedAt: now - 15 }, host, cluster)), latest);
});

test("a hello is of no use after its end, and the oldest host goes when too many are known", () => {
  let clock = now * 1_000;
  const hellos = new Hellos({ lattice, issuers, rpc: "both", capacity: 2, now: () => clock });
  const text = encodeHello(body, host, cluster);
  assert.equal(hellos.accept(text), hellos.accept(text), "checked once");
  clock += 101_000;
  assert.equal(hellos.get(host.publicKey), undefined);
  assert.throws(() => hellos.accept(text), /it expired/);
  clock = now * 1_000;
  const others = [KeyPair.generate("server"), KeyPair.generate("server")];
  for (const each of others) hellos.accept(encodeHello(body, each, cluster));
  assert.equal(hellos.get(host.publicKey), undefined);
  assert.ok(others.every(({ publicKey }) => hellos.get(publicKey)));
});

test("two hosts use sessions wherever both speak them, and never fall below what one of them demands", () => {
  const table = (["session", "both", "wasmcloud"] as const).map((own) =>
    (["session", "both", "wasmcloud"] as const).map((peer) => chooseForm(own, peer).form),
  );
  assert.deepEqual(table, [
    ["session", "session", "none"],
    ["session", "session", "wasmcloud"],
    ["none", "wasmcloud", "wasmcloud"],
  ]);
});

test("an identity writes the same hello for hours, then a fresh one; it shows no seed", () => {
  const identity = SessionIdentity.create({ lattice, host, cluster, rpc: "both", helloSeconds: 100 });
  const first = identity.hello(now);
  assert.equal(identity.hello(now + 49), first);
  const second = identity.hello(now + 50);
  assert.notEqual(second, first);
  assert.equal(acceptHello(second, { ...rules, nowSeconds: now + 149 }).sessionKey, identity.sessionKey);
  const shown = inspect(identity, { depth: 9, showHidden: true }) + JSON.stringify(identity);
  for (const seed of Object.values(identity.secrets()).filter((each) => each.startsWith("S")))
    assert.ok(!shown.includes(seed));
});

test("another thread of the host speaks as the same process", () => {
  const identity = SessionIdentity.create({ lattice, host, cluster, rpc: "both" });
  const twin = SessionIdentity.fromSecrets(identity.secrets());
  assert.equal(twin.sessionKey, identity.sessionKey);
  assert.equal(twin.host, identity.host);
  const peer = SessionIdentity.create({ lattice, host: KeyPair.generate("server"), cluster, rpc: "both" });
  const [a, b] = [acceptHello(identity.hello(), { lattice, issuers }), acceptHello(peer.hello(), { lattice, issuers })];
  assert.deepEqual(twin.agree(b), peer.agree(a));
});

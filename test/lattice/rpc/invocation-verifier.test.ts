import assert from "node:assert/strict";
import { test } from "node:test";
import {
  actorEntity,
  decodeInvocation,
  encodeInvocation,
  encodeToken,
  entityUrl,
  InvocationSigner,
  invocationSums,
  InvocationVerifier,
  KeyPair,
  providerEntity,
  ReplayCache,
  targetUrl,
} from "../../../lattice/index.ts";
import type { TokenBody, WireInvocation } from "../../../lattice/index.ts";
import { captured } from "../../support/captured-messages.ts";

const cluster = KeyPair.fromSeed(captured.clusterSeed, "cluster");
const provider = providerEntity(captured.redis, "wasmcloud:keyvalue", "default");
const actor = actorEntity(captured.echo);
const signer = new InvocationSigner(cluster, captured.host);
const call = { origin: actor, target: provider, operation: "KeyValue.Get", payload: Buffer.from("a161", "hex") };

const verifier = (now = Date.now()): InvocationVerifier =>
  new InvocationVerifier({ issuers: [cluster.publicKey], now: () => now });

/** Checks a message on its way in, as a receiver does. */
function receive(invocation: WireInvocation, me = provider, by = verifier()): WireInvocation {
  return by.prove(by.check(decodeInvocation(encodeInvocation(invocation)), me));
}

/** An invocation with a token of any body. */
function withToken(body: Partial<TokenBody>, signedBy = cluster): WireInvocation {
  const id = "0123456789abcdef0123456789abcdef";
  const sums = invocationSums(call, call.payload);
  const metadata = { target_url: sums.targetUrl, origin_url: sums.originUrl, hash: sums.hash };
  return { ...signer.sign(call), id, token: encodeToken({ subject: id, metadata, ...body }, signedBy) };
}

test("the signer writes what the verifier proves", () => {
  const signed = signer.sign(call);
  const proven = receive(signed);
  assert.deepEqual(Buffer.from(proven.payload), call.payload);
  assert.deepEqual({ ...proven, payload: 0 }, { ...signed, payload: 0 });
  assert.match(signed.id, /^[0-9a-f-]{36}$/);
});

test("the claims have the members of 0.82, an expiry and revision 3", () => {
  const [, body = ""] = signer.sign(call).token.split(".");
  const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
  assert.deepEqual(Object.keys(claims), ["jti", "iat", "iss", "sub", "exp", "wascap", "wascap_revision"]);
  assert.match(String(claims.jti), /^[0-9A-Za-z]{22}$/);
  assert.deepEqual(claims.wascap, {
    target_url: targetUrl(provider, call.operation),
    origin_url: entityUrl(actor),
    hash: invocationSums(call, call.payload).hash,
  });
  assert.equal(claims.wascap_revision, 3);
  assert.equal(Number(claims.exp), Number(claims.iat) + 60);
});

test("invocations of a real 0.82 host and provider are proven", () => {
  const now = captured.signedAt * 1_000 + 5_000;
  for (const [bytes, me] of [
    [captured.providerToActor, actor],
    [captured.actorToProvider, provider],
  ] as const)
    assert.equal(receive(decodeInvocation(bytes), me, verifier(now)).hostId, captured.host);
});

const N = KeyPair.generate("server").publicKey;
const other = KeyPair.generate("cluster");
const nowSeconds = Math.floor(Date.now() / 1_000);

/** One thing wrong each. */
const refusals: readonly (readonly [string, string, () => WireInvocation])[] = [
  ["host id that is none", "INVOCATION_HOST_ID", () => ({ ...signer.sign(call), hostId: "x" })],
  [
    "host id of another kind",
    "INVOCATION_HOST_ID",
    () => ({ ...signer.sign(call), hostId: KeyPair.generate("module").publicKey }),
  ],
  [
    "target of another key",
    "INVOCATION_MISDIRECTED",
    () => signer.sign({ ...call, target: { ...provider, publicKey: KeyPair.generate("service").publicKey } }),
  ],
  [
    "target of another link name",
    "INVOCATION_MISDIRECTED",
    () => signer.sign({ ...call, target: { ...provider, linkName: "other" } }),
  ],
  ["foreign issuer", "INVOCATION_ISSUER_FOREIGN", () => withToken({}, other)],
  ["other id", "INVOCATION_ID_ALTERED", () => ({ ...signer.sign(call), id: "another" })],
  [
    "other origin",
    "INVOCATION_ORIGIN_ALTERED",
    () => ({ ...signer.sign(call), origin: actorEntity(captured.kvcounter) }),
  ],
  ["other operation", "INVOCATION_TARGET_ALTERED", () => ({ ...signer.sign(call), operation: "KeyValue.Set" })],
  [
    "other contract",
    "INVOCATION_TARGET_ALTERED",
    () => ({ ...signer.sign(call), target: { ...provider, contractId: "a:b" } }),
  ],
  ["other payload", "INVOCATION_PAYLOAD_ALTERED", () => ({ ...signer.sign(call), payload: Buffer.of(1) })],
  ["emptied payload", "INVOCATION_PAYLOAD_ALTERED", () => ({ ...signer.sign(call), payload: Buffer.of() })],
  ["passed expiry", "INVOCATION_EXPIRED", () => withToken({ expiresAt: nowSeconds - 1 })],
  ["old token without expiry", "INVOCATION_EXPIRED", () => withToken({ issuedAt: nowSeconds - 601 })],
  ["start ahead", "INVOCATION_TOO_EARLY", () => withToken({ notBefore: nowSeconds + 60 })],
  ["issue far ahead", "INVOCATION_TOO_EARLY", () => withToken({ issuedAt: nowSeconds + 700 })],
  [
    "altered signature",
    "INVOCATION_SIGNATURE_INVALID",
    () => {
      const signed = signer.sign(call);
      const [header = "", body = ""] = signed.token.split(".");
      return { ...signed, token: `${header}.${body}.${Buffer.alloc(64).toString("base64url")}` };
    },
  ],
  ["no token", "INVOCATION_MALFORMED", () => ({ ...signer.sign(call), token: "" })],
  ["token of something else", "INVOCATION_MALFORMED", () => withToken({ metadata: { name: "x" } })],
];

for (const [what, code, make] of refusals)
  test(`an invocation with ${what} is refused by its own code`, () => {
    assert.throws(() => receive(make()), { code });
  });

test("an empty payload is hashed too", () => {
  const signed = signer.sign({ ...call, payload: Buffer.of() });
  assert.equal(receive(signed).payload.length, 0);
  assert.throws(() => receive({ ...signed, payload: Buffer.of(1) }), { code: "INVOCATION_PAYLOAD_ALTERED" });
});

test("host ids that real senders use are accepted: any host, a cluster key, that of wash", () => {
  for (const hostId of [N, captured.cluster, "NwashHostCallerId000000000000000000000000000000000000000"])
    assert.equal(receive({ ...signer.sign(call), hostId }).hostId, hostId);
});

test("a foreign issuer is told with both keys", () => {
  assert.throws(
    () => receive(withToken({}, other)),
    (error: Error) => error.message.includes(other.publicKey) && error.message.includes(cluster.publicKey),
  );
});

test("the same message twice runs once; a forged one does not use up the id", () => {
  const signed = signer.sign(call);
  const by = verifier();
  const [header = "", body = ""] = signed.token.split(".");
  const forged = { ...signed, token: `${header}.${body}.${Buffer.alloc(64).toString("base64url")}` };
  assert.throws(() => receive(forged, provider, by), { code: "INVOCATION_SIGNATURE_INVALID" });
  receive(signed, provider, by);
  assert.throws(() => receive(signed, provider, by), { code: "INVOCATION_REPLAYED" });
});

test("an invocation to an actor carries no link name that could misdirect it", () => {
  const signed = signer.sign({ ...call, origin: provider, target: actor });
  assert.equal(receive(signed, actor).target.publicKey, captured.echo);
});

test("the replay cache forgets what expired and stays within its bound", () => {
  const cache = new ReplayCache(3);
  assert.equal(cache.add("a", 10, 0), true);
  assert.equal(cache.add("a", 10, 9), false);
  assert.equal(cache.add("a", 20, 10), true, "it expired, so it is new");
  for (const id of ["b", "c", "d"]) assert.equal(cache.add(id, 20, 10), true);
  assert.equal(cache.size, 3);
  assert.equal(cache.evicted, 1);
  assert.equal(cache.add("d", 20, 10), false);
  assert.equal(cache.add("e", 40, 30), true);
  assert.equal(cache.size, 1, "all others had expired");
});

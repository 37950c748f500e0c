import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../../support/fast-check.ts";
import {
  actorEntity,
  decodeInvocation,
  decodeResponse,
  encodeInvocation,
  encodeResponse,
  entityUrl,
  fail,
  failureResponse,
  invocationSums,
  isLatticeError,
  linkId,
  pack,
  providerEntity,
  successResponse,
  targetUrl,
  unpack,
  wireOperation,
} from "../../../lattice/index.ts";
import type { MsgpackValue, WireInvocation } from "../../../lattice/index.ts";
import { captured } from "../../support/captured-messages.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

function members(bytes: Uint8Array): Record<string, MsgpackValue> {
  return unpack(bytes, "a captured message") as Record<string, MsgpackValue>;
}

test("an invocation of a 0.82 provider is read whole and written byte for byte", () => {
  const invocation = decodeInvocation(captured.providerToActor);
  const { payload, token, ...rest } = invocation;
  assert.deepEqual(rest, {
    origin: providerEntity(captured.httpServer, "wasmcloud:httpserver", "default"),
    target: actorEntity(captured.echo),
    operation: "HttpServer.HandleRequest",
    id: "7a50bfb8bd444e43a800be02a2b14820",
    hostId: captured.host,
    contentLength: 207,
    trace: undefined,
  });
  assert.equal(members(payload).path, "/a");
  assert.ok(token.startsWith("eyJ0eXAi"));
  assert.deepEqual(Buffer.from(encodeInvocation(invocation)), Buffer.from(captured.providerToActor));
});

test("an invocation of a 0.82 host is read whole and written byte for byte", () => {
  const invocation = decodeInvocation(captured.actorToProvider);
  assert.deepEqual(members(invocation.payload), { key: "counter::cnt", value: 1 });
  assert.deepEqual(invocation.target, providerEntity(captured.redis, "wasmcloud:keyvalue", "default"));
  assert.deepEqual(Buffer.from(encodeInvocation(invocation)), Buffer.from(captured.actorToProvider));
});

test("responses of a 0.82 host are read and written byte for byte", () => {
  for (const [asked, answer, length] of [
    [captured.providerToActor, captured.actorReply, 88],
    [captured.actorToProvider, captured.providerReply, 1],
  ] as const) {
    const invocation = decodeInvocation(asked);
    const response = decodeResponse(answer, invocation);
    assert.equal(response.payload.length, length);
    assert.equal(response.error, undefined);
    const written = encodeResponse(successResponse(invocation.id, response.payload));
    assert.deepEqual(Buffer.from(written), Buffer.from(answer));
  }
  const large = { ...decodeInvocation(captured.providerToActor), id: "bf5e8c90cead471f952f1e6450d2d467" };
  const response = decodeResponse(captured.largeReply, large);
  assert.equal(response.contentLength, 3_000_090);
  assert.equal(response.payload.length, 0);
});

test("URLs, hash and link id are those of the published vectors", () => {
  const origin = actorEntity(captured.echo);
  const key = "VAZVC4RX54J2NVCMCW7BPCAHGGG5XZXDBXFUMDUXGESTMQEJLC3YVZWB";
  const target = providerEntity(key, "wasmcloud:keyvalue", "default");
  const sums = invocationSums({ origin, target, operation: "KeyValue.Get" }, Buffer.from("a161", "hex"));
  assert.deepEqual(sums, {
    originUrl: `wasmbus://${captured.echo}`,
    targetUrl: `wasmbus://wasmcloud/keyvalue/default/${key}/KeyValue.Get`,
    hash: "C5E8D440C214517061B6780F165F44A65A9BE285D1C3B850A2AE236001418DDE",
  });
  assert.equal(
    linkId({ actor: captured.echo, contractId: "wasmcloud:keyvalue", linkName: "default" }),
    "97CD2BF47D72E8C4588B92FBA68AA3AFCF5499F3DE5B4D89C049A7A2C90469BB",
  );
});

test("URLs of providers are lower case with slashes and underscores; keys stay", () => {
  const entity = providerEntity(captured.redis, "Acme:Key Value", "My Link");
  assert.equal(entityUrl(entity), `wasmbus://acme/key_value/my_link/${captured.redis}`);
  assert.equal(targetUrl(entity, "A.B"), `wasmbus://acme/key_value/my_link/${captured.redis}/A.B`);
  assert.equal(wireOperation("wasmcloud:keyvalue/KeyValue.Get"), "KeyValue.Get");
  assert.equal(wireOperation("KeyValue.Get"), "KeyValue.Get");
});

test("the dialect of OTP is read: nil names, no length, no trace, a cluster key as host", () => {
  const { origin, traceContext: _, content_length: __, ...rest } = members(captured.actorToProvider);
  const otp = { ...rest, host_id: captured.cluster, origin: { ...(origin as object), link_name: null } };
  const invocation = decodeInvocation(pack(otp));
  assert.equal(invocation.hostId, captured.cluster);
  assert.equal(invocation.contentLength, invocation.payload.length);
  assert.deepEqual(invocation.origin, actorEntity(captured.kvcounter));
});

test("payloads as lists of numbers, unknown members and other orders are read", () => {
  const known = members(captured.actorToProvider);
  const payload = known.msg as Uint8Array;
  const mixed = Object.fromEntries(Object.entries({ ...known, msg: [...payload], later: { a: [1] } }).toReversed());
  const { payload: read, ...rest } = decodeInvocation(pack(mixed));
  const { payload: _, ...wanted } = decodeInvocation(captured.actorToProvider);
  assert.deepEqual(rest, wanted);
  assert.deepEqual(Buffer.from(read), Buffer.from(payload));
});

test("trace context travels; a malformed one is dropped without failing the call", () => {
  const invocation = decodeInvocation(captured.actorToProvider);
  for (const trace of [{ traceparent }, { traceparent, tracestate: "vendor=1" }]) {
    assert.deepEqual(decodeInvocation(encodeInvocation({ ...invocation, trace })).trace, trace);
    const response = { ...successResponse(invocation.id, Buffer.from("x")), trace };
    assert.deepEqual(decodeResponse(encodeResponse(response), invocation).trace, trace);
  }
  for (const traceContext of [{ traceparent: "00-xyz" }, { other: 1 }, null]) {
    const bytes = pack({ ...members(captured.actorToProvider), traceContext });
    assert.equal(decodeInvocation(bytes).trace, undefined);
  }
});

test("what is missing or of the wrong type is named", () => {
  const known = members(captured.actorToProvider);
  for (const name of ["origin", "target", "operation", "msg", "id", "encoded_claims", "host_id"]) {
    const { [name]: _, ...without } = known;
    assert.throws(() => decodeInvocation(pack(without)), {
      code: "INVOCATION_MALFORMED",
      message: `the invocation is malformed: ${name} is missing`,
    });
    assert.throws(
      () => decodeInvocation(pack({ ...known, [name]: 3.5 })),
      (error) => isLatticeError(error) && error.code === "INVOCATION_MALFORMED" && error.message.includes(name),
    );
  }
  for (const [name, value, why] of [
    ["msg", [1, 256], "msg holds a number over 255"],
    ["content_length", -1, "content_length is not a whole number in range"],
    ["content_length", 2 ** 60, "content_length is not a whole number in range"],
    ["operation", "A\nB", "operation has control characters"],
    ["operation", "x".repeat(2_000), "operation has more than 1024 bytes"],
    ["origin", {}, "origin.public_key is missing"],
  ] as const)
    assert.throws(() => decodeInvocation(pack({ ...known, [name]: value })), {
      message: `the invocation is malformed: ${why}`,
    });
});

test("a message cut short anywhere is malformed, never a crash", () => {
  for (let length = 0; length < captured.providerToActor.length; length++)
    assert.throws(() => decodeInvocation(captured.providerToActor.subarray(0, length)), {
      code: "INVOCATION_MALFORMED",
    });
});

test("a failure carries its text; an empty error is none; a reply to another call is refused", () => {
  const invocation = decodeInvocation(captured.actorToProvider);
  const failed = failureResponse(invocation.id, fail("GUEST_FAILED", "echo", "Foo.Bar", 'a "quoted"\nreason ☃'));
  assert.deepEqual(
    decodeResponse(encodeResponse(failed), invocation).error,
    'echo failed Foo.Bar: a "quoted"\nreason ☃',
  );
  const known = members(captured.providerReply);
  assert.equal(decodeResponse(pack({ ...known, error: "" }), invocation).error, undefined);
  assert.equal(decodeResponse(pack({ ...known, error: null }), invocation).error, undefined);
  assert.equal(decodeResponse(pack({ invocation_id: "UNKNOWN", error: "e" }), invocation).error, "e");
  for (const bad of [{ ...known, invocation_id: "other" }, { ...known, msg: "text" }, { msg: Buffer.of() }])
    assert.throws(() => decodeResponse(pack(bad), invocation), { code: "REPLY_MALFORMED" });
});

const name = fc.string({ unit: fc.constantFrom(...Array.from("aZ09-_:/. é☃")), maxLength: 40 });
const plain = { noNullPrototype: true };
const entity = fc.record({ publicKey: name, linkName: name, contractId: name }, plain);
const invocations: fc.Arbitrary<WireInvocation> = fc.record(
  {
    origin: entity,
    target: entity,
    operation: name,
    payload: fc.uint8Array({ maxLength: 70_000, size: "max" }).map((bytes) => Buffer.from(bytes)),
    id: name,
    token: name,
    hostId: name,
    contentLength: fc.nat({ max: 0xffff_ffff }),
    trace: fc.constantFrom(undefined, { traceparent }),
  },
  plain,
);

test("every invocation comes back as it was written, by our reader and by the general one", () => {
  fc.assert(
    fc.property(invocations, (invocation) => {
      const bytes = encodeInvocation(invocation);
      assert.deepEqual(decodeInvocation(bytes), invocation);
      const general = members(bytes);
      assert.equal(general.operation, invocation.operation);
      assert.deepEqual(Buffer.from(general.msg as Uint8Array), invocation.payload);
      assert.equal(general.content_length, invocation.contentLength);
    }),
    { numRuns: 200 },
  );
});

test("random bytes and changed bytes are read or refused by their code, never anything else", () => {
  const invocation = decodeInvocation(captured.actorToProvider);
  const changed = fc
    .tuple(fc.nat({ max: captured.actorToProvider.length - 1 }), fc.uint8Array({ minLength: 1, maxLength: 6 }))
    .map(([at, bytes]) => {
      const copy = Uint8Array.from(captured.actorToProvider);
      copy.set(bytes.subarray(0, copy.length - at), at);
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), changed), (bytes) => {
      for (const [read, code] of [
        [() => decodeInvocation(bytes), "INVOCATION_MALFORMED"],
        [() => decodeResponse(bytes, invocation), "REPLY_MALFORMED"],
      ] as const) {
        try {
          read();
        } catch (error) {
          assert.ok(isLatticeError(error) && error.code === code, String(error));
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import * as fc from "../../support/fast-check.ts";
import { eras, fail, frameType } from "../../../lattice/index.ts";
import type { RemoteCall } from "../../../lattice/index.ts";
import { asBuffer, FrameProblem } from "../../../lattice/rpc/session/frame-bytes.ts";
import { flowMac, Mac, tagBytes } from "../../../lattice/rpc/session/mac.ts";
import { ReplayWindow } from "../../../lattice/rpc/session/replay-window.ts";
import {
  answersAnother,
  decodeAnswer,
  decodeCallHead,
  decodeOpen,
  decodeWelcome,
  encodeAnswer,
  encodeCall,
  encodeOpen,
  encodeRenew,
  encodeStranger,
  encodeWelcome,
} from "../../../lattice/rpc/session/session-frames.ts";
import { createHmac } from "node:crypto";

const key = randomBytes(32);
const mac = new Mac(key);
const plain = { noNullPrototype: true };
const text = fc.string({ unit: "binary", maxLength: 60 }).map((each) => each.toWellFormed());
const payload = fc.uint8Array({ maxLength: 20_000, size: "max" }).map((each) => Buffer.from(each));
const calls: fc.Arbitrary<RemoteCall> = fc.record(
  {
    origin: fc.oneof(
      fc.record(
        { kind: fc.constant("actor" as const), key: text, name: text, placement: text, era: fc.constantFrom(...eras) },
        plain,
      ),
      fc.record({ kind: fc.constant("provider" as const), key: text, contractId: text, linkName: text }, plain),
      fc.record({ kind: fc.constant("operator" as const), name: text }, plain),
    ),
    target: fc.oneof(
      fc.record({ kind: fc.constant("actor" as const), key: text }, plain),
      fc.record({ kind: fc.constant("actor" as const), key: text, placement: text }, plain),
      fc.record({ kind: fc.constant("provider" as const), key: text, contractId: text, linkName: text }, plain),
    ),
    operation: text,
    payload,
    budgetMs: fc.nat({ max: 0xffff_ffff }),
    hops: fc.nat({ max: 255 }),
    trace: fc.oneof(
      fc.constant(undefined),
      fc.record({ traceparent: text }, plain),
      fc.record({ traceparent: text, tracestate: text }, plain),
    ),
  },
  plain,
);
const stream = randomBytes(8);
const from = { host: "N".repeat(56), place: "0" };

test("every call comes back from its frame, and the frame holds under its key alone", () => {
  const other = new Mac(randomBytes(32));
  fc.assert(
    fc.property(calls, fc.integer({ min: 1, max: 0xffff_ffff }), (call, sequence) => {
      const frame = encodeCall(from, { stream, sequence }, call, undefined, mac);
      assert.equal(frameType(frame), "call");
      assert.equal(mac.holds(asBuffer(frame)), true);
      assert.equal(other.holds(asBuffer(frame)), false);
      const head = decodeCallHead(frame);
      assert.deepEqual({ ...head, stream: Buffer.from(head.stream), call: 0 }, { from, stream, sequence, call: 0 });
      assert.deepEqual(head.call(), { ...call, stored: undefined });
    }),
    { numRuns: 200 },
  );
});

test("a stored payload travels as its name, length and digest", () => {
  const stored = { name: "3f2c", bytes: 2_000_000, digest: randomBytes(32) };
  const call: RemoteCall = {
    origin: { kind: "operator", name: "o" },
    target: { kind: "actor", key: "M" },
    operation: "A.B",
    payload: Buffer.of(),
    budgetMs: 1,
    hops: 0,
    trace: undefined,
  };
  const frame = encodeCall(from, { stream, sequence: 1 }, call, stored, mac);
  assert.deepEqual(decodeCallHead(frame).call().stored, stored);
  const answer = encodeAnswer({ stream, sequence: 1 }, { ok: true, payload: Buffer.of(), stored }, mac);
  assert.deepEqual(decodeAnswer(answer, { stream, sequence: 1 }, mac), { ok: true, payload: new Uint8Array(), stored });
});

test("answers come back for their call only", () => {
  const position = { stream, sequence: 7 };
  fc.assert(
    fc.property(payload, (bytes) => {
      const frame = encodeAnswer(position, { ok: true, payload: bytes, stored: undefined }, mac);
      assert.deepEqual(decodeAnswer(frame, position, mac), { ok: true, payload: bytes, stored: undefined });
      assert.throws(() => decodeAnswer(frame, { stream, sequence: 8 }, mac), FrameProblem);
      assert.throws(() => decodeAnswer(frame, { stream: randomBytes(8), sequence: 7 }, mac), FrameProblem);
      assert.throws(() => decodeAnswer(frame, position, new Mac(randomBytes(32))), /its tag does not hold/);
    }),
    { numRuns: 100 },
  );
  const next = randomBytes(8);
  assert.deepEqual(decodeAnswer(encodeRenew(position, next, mac), position, mac), { renew: next });
  const error = fail("QUEUE_FULL", "x".repeat(100_000), 3);
  const answer = decodeAnswer(encodeAnswer(position, { ok: false, error }, mac), position, mac);
  assert.ok("error" in answer && answer.error.code === "QUEUE_FULL" && answer.error.message.length === 4_096);
});

test("an answer to another call is told from one's own, and from what is no answer", () => {
  const position = { stream, sequence: 7 };
  const answer = encodeAnswer(position, { ok: true, payload: Buffer.of(1), stored: undefined }, mac);
  for (const frame of [answer, encodeRenew(position, randomBytes(8), mac)]) {
    assert.equal(answersAnother(frame, position), false);
    assert.equal(answersAnother(frame, { stream, sequence: 8 }), true);
    assert.equal(answersAnother(frame, { stream: randomBytes(8), sequence: 7 }), true);
  }
  for (const other of [encodeStranger(), Buffer.of(), Buffer.from("hello"), answer.subarray(0, 10)])
    assert.equal(answersAnother(other, { stream, sequence: 8 }), false);
});

test("the beginning of a conversation is read as it was written", () => {
  const challenge = randomBytes(8);
  assert.deepEqual(decodeOpen(encodeOpen({ from, challenge, hello: "a.b.c" })), { from, challenge, hello: "a.b.c" });
  const welcome = encodeWelcome({ challenge, stream, hello: "d.e.f" }, mac);
  assert.deepEqual(decodeWelcome(welcome), { challenge, stream, hello: "d.e.f" });
  assert.equal(mac.holds(asBuffer(welcome)), true);
});

test("nobody is remembered under a place that no host has", () => {
  const challenge = randomBytes(8);
  for (const place of ["", "x", "c1", "12345", "0".repeat(60_000)])
    assert.throws(() => decodeOpen(encodeOpen({ from: { ...from, place }, challenge, hello: "a.b.c" })), FrameProblem);
  for (const place of ["c", "0", "1023"])
    assert.equal(decodeOpen(encodeOpen({ from: { ...from, place }, challenge, hello: "a.b.c" })).from.place, place);
});

test("random bytes are no frame or a problem, never anything else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 7 }), (bytes, type) => {
      const frame = Buffer.from([0xc1, type, ...bytes]);
      for (const read of [
        () => decodeOpen(frame),
        () => decodeWelcome(frame),
        () => decodeCallHead(frame).call(),
        () => decodeAnswer(frame, { stream, sequence: 1 }, mac),
      ])
        try {
          read();
        } catch (error) {
          assert.ok(error instanceof FrameProblem, String(error));
        }
    }),
    { numRuns: 2_000 },
  );
});

test("tags are HMAC-SHA256 cut in half, for small frames and large ones", () => {
  for (const length of [0, 1, 8_192, 8_193, 100_000]) {
    const frame = Buffer.concat([randomBytes(length), Buffer.alloc(tagBytes)]);
    mac.seal(frame, length);
    const wanted = createHmac("sha256", key).update(frame.subarray(0, length)).digest().subarray(0, tagBytes);
    assert.deepEqual(frame.subarray(length), wanted);
    assert.equal(mac.holds(frame), true);
    frame[length]! ^= 1;
    assert.equal(mac.holds(frame), false);
  }
  assert.equal(mac.holds(Buffer.alloc(3)), false);
});

test("keys differ by direction, place, host, lattice and process", () => {
  const secret = { shared: randomBytes(32), sessionKeys: ["X1", "X2"] as const, lattice: "a" };
  const [here, there] = [
    { host: "N1", place: "0" },
    { host: "N2", place: "0" },
  ];
  const tag = (of: Mac): string => {
    const frame = Buffer.alloc(tagBytes + 1);
    of.seal(frame, 1);
    return frame.toString("hex");
  };
  const wanted = tag(flowMac(secret, here, there, "call"));
  assert.equal(tag(flowMac({ ...secret, sessionKeys: ["X2", "X1"] }, here, there, "call")), wanted);
  const others = [
    flowMac(secret, there, here, "call"),
    flowMac(secret, here, there, "reply"),
    flowMac(secret, { ...here, place: "1" }, there, "call"),
    flowMac(secret, here, { ...there, place: "1" }, "call"),
    flowMac(secret, { ...here, host: "N3" }, there, "call"),
    flowMac({ ...secret, lattice: "b" }, here, there, "call"),
    flowMac({ ...secret, shared: randomBytes(32) }, here, there, "call"),
    flowMac({ ...secret, sessionKeys: ["X1", "X3"] }, here, there, "call"),
  ];
  assert.equal(new Set([wanted, ...others.map(tag)]).size, others.length + 1);
});

test("a window takes each number once, in any order within its size", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 2_000 }), { maxLength: 300 }), (numbers) => {
      const window = new ReplayWindow();
      const taken = new Set<number>();
      let greatest = 0;
      for (const number of numbers) {
        const fresh = !taken.has(number) && number + 512 > greatest;
        assert.equal(window.accept(number), fresh);
        if (fresh) taken.add(number);
        greatest = Math.max(greatest, ...(fresh ? [number] : []));
      }
      assert.equal(window.accept(0), false);
    }),
  );
});

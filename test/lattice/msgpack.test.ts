import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { Packr } from "msgpackr";
import { checkMsgpack, isLatticeError, pack, unpack } from "../../lattice/index.ts";
import type { MsgpackValue } from "../../lattice/index.ts";

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

function refuses(bytes: Uint8Array, why: RegExp, limits = {}): void {
  assert.throws(
    () => unpack(bytes, "Add", limits),
    (error) => isLatticeError(error) && error.code === "PAYLOAD_MALFORMED" && why.test(error.message),
  );
}

// Source: waPC and actors reference, section 16.
const vectors: [string, string, MsgpackValue][] = [
  [
    "an HTTP request of E4",
    "85a66d6574686f64a3474554a470617468a22f61ab7175657279537472696e67a0a668656164657280a4626f6479c400",
    { method: "GET", path: "/a", queryString: "", header: {}, body: new Uint8Array() },
  ],
  [
    "an HTTP reply of E4",
    "83a4626f6479c40d7b22636f756e746572223a357da668656164657280aa737461747573436f6465ccc8",
    { body: Buffer.from('{"counter":5}'), header: {}, statusCode: 200 },
  ],
  ["an increment of E4", "82a36b6579aa636f756e7465723a3a61a576616c756501", { key: "counter::a", value: 1 }],
  ["a bare integer", "05", 5],
  ["health of E4", "81a76865616c746879c3", { healthy: true }],
  ["a placeholder of E2", "81ab706c616365686f6c646572c2", { placeholder: false }],
  ["a request of E1", "95a3474554a22f61a08090", ["GET", "/a", "", {}, []]],
  ["a variant of E1", "91810292 0064", [{ 2: [0, 100] }]],
  [
    "a message of E4",
    "83a77375626a656374a174a77265706c79546fa172a4626f6479c4026869",
    { subject: "t", replyTo: "r", body: Buffer.from("hi") },
  ],
];
for (const [what, wire, value] of vectors)
  test(`${what} is read as recorded, and written so where its keys are text`, () => {
    assert.deepEqual(plain(unpack(fromHex(wire), what)), plain(value));
    if (!what.includes("variant")) assert.equal(hex(pack(value)), wire.replaceAll(" ", ""));
  });

/** Bytes as Uint8Array, whatever subclass. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

const scalar: fc.Arbitrary<MsgpackValue> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }),
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.uint8Array(),
  fc.bigInt({ min: 2n ** 53n + 1n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) - 1n }),
);
const { tree } = fc.letrec<{ tree: MsgpackValue }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie("tree"), { maxLength: 5 }),
    fc.dictionary(
      fc.string().filter((key) => key !== "__proto__"),
      tie("tree"),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
}));

test("plain values of any shape come back as they were, and the check finds their end", () => {
  fc.assert(
    fc.property(tree, (value) => {
      const bytes = pack(value);
      assert.deepEqual(plain(unpack(bytes, "x")), plain(normal(value)));
      assert.equal(checkMsgpack(bytes).end, bytes.length);
    }),
    { numRuns: 300 },
  );
});

/** What MessagePack cannot tell apart: -0 is 0, and a whole number beyond 2^53 is a 64-bit integer. */
function normal(value: unknown): unknown {
  if (value === 0) return 0;
  if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) > 2 ** 53)
    return value >= -(2 ** 63) && value < 2 ** 64 ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, normal(item)]));
}

test("every message cut short is refused, and one byte behind it is tolerated", () => {
  fc.assert(
    fc.property(tree, (value) => {
      const bytes = pack(value);
      for (let length = 0; length < bytes.length; length++)
        assert.equal(checkMsgpack(bytes.subarray(0, length)).end, undefined);
      assert.deepEqual(plain(unpack(Uint8Array.of(...bytes, 0), "x")), plain(normal(value)));
      refuses(Uint8Array.of(...bytes, 0, 0), /2 bytes follow/);
    }),
    { numRuns: 60 },
  );
});

test("any bytes are decoded or refused by one code", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (noise) => {
      try {
        unpack(noise, "noise");
      } catch (error) {
        assert.ok(isLatticeError(error) && error.code === "PAYLOAD_MALFORMED", String(error));
      }
    }),
    { numRuns: 1_000 },
  );
});

test("integers beyond 32 bits are written as integers, which Rust guests want", () => {
  const cases: [MsgpackValue, string][] = [
    [2 ** 32 - 1, "ceffffffff"],
    [2 ** 32, "d30000000100000000"],
    [-(2 ** 31), "d280000000"],
    [-(2 ** 31) - 1, "d3ffffffff7fffffff"],
    [2n ** 64n - 1n, "cfffffffffffffffff"],
    [1.5, "cb3ff8000000000000"],
    [1e300, "cb7e37e43c8800759c"],
    [{ a: [2 ** 40] }, "81a16191d30000010000000000"],
  ];
  for (const [value, wire] of cases) assert.equal(hex(pack(value)), wire);
});

test("integers of 64 bits are numbers where that is exact, else bigint", () => {
  assert.equal(unpack(fromHex("cf0000000000000005"), "x"), 5);
  assert.equal(unpack(fromHex("cfffffffffffffffff"), "x"), 2n ** 64n - 1n);
  assert.equal(unpack(fromHex("d38000000000000000"), "x"), -(2n ** 63n));
});

test("members that are undefined are left out; what MessagePack cannot say is refused", () => {
  assert.equal(hex(pack({ a: undefined, b: 1 })), "81a16201");
  assert.equal(hex(pack([undefined])), "91c0");
  for (const value of [new Date(0), new Map(), /x/, 2n ** 64n, Symbol("s"), () => 1] as unknown as MsgpackValue[])
    assert.throws(() => pack({ value }), { code: "PAYLOAD_MALFORMED" });
  let deep: MsgpackValue = [];
  for (let depth = 0; depth < 20_000; depth++) deep = [deep];
  assert.throws(() => pack(deep), { code: "PAYLOAD_MALFORMED" });
});

test("what packing gives is the caller's own: a later pack does not change it", () => {
  const first = pack({ a: "one" });
  const copy = Uint8Array.from(first);
  pack({ a: "two", b: "x".repeat(100_000) });
  assert.deepEqual(first, copy);
});

test("a length beyond the message is refused before anything is made for it", () => {
  const before = process.memoryUsage().rss;
  for (const head of ["c640000000", "db40000000", "dd40000000", "df40000000", "ddffffffff", "dfffffffff", "c6ffffffff"])
    refuses(fromHex(head), /cut short/);
  refuses(Uint8Array.of(0xdd, 0, 0, 1, 0, ...new Uint8Array(100)), /cut short/);
  assert.ok(process.memoryUsage().rss - before < 100_000_000);
});

test("nesting, containers, values and bytes are bounded, and refused cheaply", () => {
  const before = performance.now();
  refuses(new Uint8Array(10_000).fill(0x91), /nested more than 64/);
  refuses(new Uint8Array(1_000_000).fill(0x81), /nested more than 64/);
  const empties = new Uint8Array(1_000_005).fill(0x80);
  empties.set([0xdd, 0x00, 0x0f, 0x42, 0x40]);
  refuses(empties, /more than 262144 arrays and maps/);
  const ones = new Uint8Array(5_000_005).fill(1);
  ones.set([0xdd, 0x00, 0x4c, 0x4b, 0x40]);
  refuses(ones, /more than 4194304 values/);
  refuses(new Uint8Array(17 * 1024 * 1024), /17825792 bytes/);
  refuses(fromHex("929101"), /nested more than 1 /, { maxDepth: 1 });
  assert.ok(performance.now() - before < 15_000);
});

test("extension types and the reserved byte are refused, since decoders give them effects", () => {
  for (const wire of [
    "d47203",
    "d5000000",
    "d6ff00000000",
    "d7ff0000000000000000",
    "c70001",
    "c80000ff",
    "c900000000ff",
  ])
    refuses(fromHex(wire), /extension/);
  refuses(fromHex("c1"), /reserved/);
  refuses(
    pack([]).length === 1 ? Uint8Array.from(new Packr().pack({ a: new Date(0), b: 1 })) : new Uint8Array(),
    /extension/,
  );
});

test("bytes that look like a record are the number they are", () => {
  assert.deepEqual(unpack(fromHex("93404142"), "x"), [0x40, 0x41, 0x42]);
});

test("a key cannot reach the prototype", () => {
  const value = unpack(fromHex("81a95f5f70726f746f5f5f81a161c3"), "x") as Record<string, unknown>;
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.equal(value.a, undefined);
});

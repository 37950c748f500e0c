import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { Packr, Unpackr } from "msgpackr";
import { Fields, unknownField } from "../../capabilities/codec/fields.ts";
import { Malformed } from "../../capabilities/codec/malformed.ts";
import { MsgpackReader } from "../../capabilities/codec/msgpack-reader.ts";
import { MsgpackWriter, constant, msgpack } from "../../capabilities/codec/msgpack-writer.ts";
import { ProtobufReader, protobuf } from "../../capabilities/codec/protobuf.ts";
import { bytes, hex } from "../support/capabilities.ts";

/** An implementation that is not ours, to agree with. */
const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: "number" });

function written(write: (out: MsgpackWriter) => void): Uint8Array {
  msgpack.begin();
  write(msgpack);
  return msgpack.end();
}

test("text, numbers, bytes and lists written are what another implementation reads, and the smallest it would write", () => {
  const int = fc.oneof(fc.integer(), fc.integer({ min: -40, max: 300 }), fc.maxSafeInteger().map(Math.abs));
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme", maxLength: 400 }),
      int,
      fc.uint8Array({ maxLength: 400 }),
      (text, number, bin) => {
        assert.equal(hex(written((out) => out.text(text))), hex(packr.pack(text)));
        assert.equal(unpackr.unpack(written((out) => out.int(number))), number);
        assert.equal(hex(unpackr.unpack(written((out) => out.bin(bin))) as Buffer), hex(bin));
        assert.deepEqual(unpackr.unpack(written((out) => out.byteArray(bin))), [...bin]);
        assert.deepEqual(unpackr.unpack(written((out) => out.texts([text, text]))), [text, text]);
      },
    ),
  );
});

test("numbers take the form that the SDKs write", () => {
  const forms: [number, string][] = [
    [0, "00"],
    [127, "7f"],
    [128, "cc80"],
    [256, "cd0100"],
    [65_536, "ce00010000"],
    [2 ** 32, "cf0000000100000000"],
    [-1, "ff"],
    [-32, "e0"],
    [-33, "d0df"],
    [-129, "d1ff7f"],
    [-32_769, "d2ffff7fff"],
    [-(2 ** 31), "d280000000"],
  ];
  for (const [value, form] of forms) {
    assert.equal(hex(written((out) => out.int(value))), form);
    assert.equal(new MsgpackReader().open(bytes(form)).int(), value);
  }
  assert.equal(new MsgpackReader().open(bytes("d3ffffffff7fffffff")).int(), -(2 ** 31) - 1);
});

test("lengths of text, bytes, lists and maps switch form at the right place", () => {
  for (const size of [0, 15, 16, 23, 24, 25, 31, 32, 255, 256, 65_535, 65_536]) {
    assert.equal(unpackr.unpack(written((out) => out.text("x".repeat(size)))), "x".repeat(size), `text ${size}`);
    assert.equal(
      (unpackr.unpack(written((out) => out.bin(new Uint8Array(size)))) as Buffer).length,
      size,
      `bin ${size}`,
    );
    const list = written((out) => out.texts(Array.from({ length: size }, () => "")));
    assert.equal(new MsgpackReader().open(list).texts().length, size, `list ${size}`);
  }
});

test("a payload is never changed by the next one, and grows past the block it began in", () => {
  const first = written((out) => out.text("first"));
  const large = written((out) => {
    out.array(3);
    out.text("head");
    out.bin(new Uint8Array(700_000).fill(7));
    out.text("tail");
  });
  for (let i = 0; i < 5_000; i++) written((out) => out.text(`text number ${i} to fill blocks with`));
  assert.equal(hex(first), "a56669727374");
  const [head, body, tail] = unpackr.unpack(large) as [string, Buffer, string];
  assert.deepEqual([head, body.length, body.every((byte) => byte === 7), tail], ["head", 700_000, true, "tail"]);
  assert.equal(hex(constant((out) => out.text("key"))), "a36b6579");
});

test("a map whose size was not known beforehand has it in the end", () => {
  for (const [most, size] of [[3, 2] as const, [15, 15] as const, [16, 16] as const, [300, 20] as const]) {
    const map = written((out) => {
      out.text("before");
      out.rewind(0);
      const mark = out.openMap(most);
      for (let i = 0; i < size; i++) {
        out.text(`k${i}`);
        out.int(i);
      }
      out.closeMap(mark, most, size);
    });
    assert.equal((unpackr.unpack(map) as Map<string, number>).size, size);
  }
});

test("every kind of value can be passed over, with what follows still readable", () => {
  const scalars = "c0 c2 05 ff cc80 cd0100 ce00010000 cf0000000100000000 d0df d1ff7f d2ffff7fff d3ffffffff7fffffff";
  const floats = "ca3f800000 cb3ff0000000000000";
  const texts = "a161 d90161 da000161 db0000000161 c40161 c5000161 c60000000161";
  const nested = "92c0a161 dc0001c0 dd00000001c0 81a161c0 de0001a161c0 df00000001a161c0";
  const extensions = "d40161 d5016161 d60161616161 d7016161616161616161 c702016161 c800010161 c9000000010161";
  const wide = `d801${"61".repeat(16)}`;
  for (const form of `${scalars} ${floats} ${texts} ${nested} ${extensions} ${wide}`.split(" ")) {
    const reader = new MsgpackReader().open(bytes(`${form}2a`));
    reader.skip();
    assert.equal(reader.int(), 42, form);
    assert.equal(reader.left, 0, form);
  }
});

test("headers that lie about their size fail at once, without the memory they claim", () => {
  const before = process.memoryUsage().arrayBuffers;
  for (const lie of ["ddffffffff", "dfffffffff", "dbffffffff", "c6ffffffff", "c9ffffffff01", "dcffff00", "9f"]) {
    assert.throws(() => new MsgpackReader().open(bytes(lie)).skip(), Malformed, lie);
  }
  assert.throws(() => new MsgpackReader().open(bytes("ddffffffff")).texts(), Malformed);
  assert.throws(() => new MsgpackReader().open(bytes("ddffffffff")).bytes(), Malformed);
  assert.ok(process.memoryUsage().arrayBuffers - before < 10_000_000);
});

test("nesting without end is refused before the stack is", () => {
  const deep = new Uint8Array(100_000).fill(0x91);
  assert.throws(() => new MsgpackReader().open(deep).skip(), Malformed);
});

test("random bytes are read or refused, by every method", () => {
  const methods = ["int", "bool", "text", "textLatin1", "textOrBytes", "texts", "bytes", "struct", "skip"] as const;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(...methods), (payload, method) => {
      const reader = new MsgpackReader().open(payload);
      try {
        reader[method]();
      } catch (error) {
        assert.ok(error instanceof Malformed, String(error));
      }
      assert.ok(reader.left >= 0);
    }),
    { numRuns: 3_000 },
  );
});

test("a field is found under each of its spellings and under nothing else", () => {
  const fields = new Fields(["statusCode", "status_code"], ["body"], ["path"]);
  const find = (name: string) => fields.match(Buffer.from(`..${name}..`), 2, name.length);
  assert.deepEqual(["statusCode", "status_code", "body", "path"].map(find), [0, 0, 1, 2]);
  assert.deepEqual(
    ["", "bod", "bodz", "pathX", "statuscode"].map(find),
    Array.from({ length: 5 }, () => unknownField),
  );
});

test("protobuf numbers and texts come back as written; defaults take no bytes", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.string({ unit: "grapheme" }),
      fc.uint8Array(),
      fc.array(fc.string()),
      (number, text, bin, texts) => {
        protobuf.begin();
        protobuf.number(1, number);
        protobuf.text(2, text);
        protobuf.message(3, (out) => out.bytes(1, bin));
        protobuf.texts(4, texts);
        const reader = new ProtobufReader(protobuf.end());
        const seen = { number: 0, text: "", bin: new Uint8Array(0) as Uint8Array, texts: [] as string[] };
        for (let field = reader.next(); field !== 0; field = reader.next()) {
          if (field === 1) seen.number = reader.int32();
          else if (field === 2) seen.text = reader.text();
          else if (field === 4) seen.texts.push(reader.text());
          else {
            const inner = new ProtobufReader(reader.bytes());
            if (inner.next() === 1) seen.bin = inner.bytes();
          }
        }
        assert.deepEqual(
          { ...seen, bin: [...seen.bin] },
          { number, text: text.toWellFormed(), bin: [...bin], texts: texts.map((each) => each.toWellFormed()) },
        );
      },
    ),
  );
  protobuf.begin();
  protobuf.number(1, 0);
  protobuf.text(2, "");
  protobuf.bytes(3, new Uint8Array(0));
  assert.equal(protobuf.end().length, 0);
});

test("protobuf reads 64-bit numbers, passes over what it does not know, and refuses what is broken", () => {
  const numbers: [string, number][] = [
    ["08ffffffff0f", 0xffff_ffff],
    ["08808080808001", 2 ** 35],
    ["08ffffffffffffff0f", Number.MAX_SAFE_INTEGER],
    ["08ffffffffffffffffff01", -1],
    ["0d01020304 11 0102030405060708 0805", 5],
  ];
  for (const [form, value] of numbers) {
    const reader = new ProtobufReader(bytes(form));
    assert.equal(reader.next(), 1);
    assert.equal(reader.number(), value, form);
  }
  for (const broken of ["08", "0aff01", "0b", "08ffffffffffffffffffffff01", "0d01", "1101"]) {
    assert.throws(() => new ProtobufReader(bytes(broken)).next(), Malformed, broken);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (payload) => {
      const reader = new ProtobufReader(payload);
      try {
        while (reader.next() !== 0) reader.text();
      } catch (error) {
        assert.ok(error instanceof Malformed, String(error));
      }
    }),
  );
});

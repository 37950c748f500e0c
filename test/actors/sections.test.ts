import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { concatBytes, Cursor, encodeU32, readSections, sectionId } from "../../actors/index.ts";
import { isLatticeError } from "../../lattice/index.ts";
import {
  componentPreamble,
  custom,
  guestModule,
  module,
  modulePreamble,
  paddedSection,
  section,
} from "../support/modules.ts";

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

function cursor(...bytes: number[]): Cursor {
  return new Cursor(Uint8Array.from(bytes), 0, bytes.length, "m.wasm");
}

test("a number comes back from its LEB128, which is as short as can be", () => {
  fc.assert(
    fc.property(u32, (value) => {
      const bytes = encodeU32(value);
      const read = new Cursor(bytes, 0, bytes.length, "m");
      assert.equal(read.u32(), value);
      assert.equal(read.left, 0);
      assert.equal(bytes.length, Math.max(1, Math.ceil(Math.log2(value + 1) / 7)));
    }),
  );
});

test("padded numbers are read up to five bytes and 32 bits", () => {
  assert.equal(cursor(0x80, 0x80, 0x80, 0x80, 0x00).u32(), 0);
  assert.equal(cursor(0xff, 0xff, 0xff, 0xff, 0x0f).u32(), 2 ** 32 - 1);
  for (const wrong of [[0xff, 0xff, 0xff, 0xff, 0x1f], [0x80, 0x80, 0x80, 0x80, 0x80, 0x00], [0x80, 0x80], []])
    assert.throws(() => cursor(...wrong).u32(), { code: "MODULE_MALFORMED", message: /m\.wasm/ });
});

test("a count that cannot fit is refused before anything is made for it", () => {
  assert.equal(cursor(2, 0, 0).count("items"), 2);
  assert.throws(() => cursor(3, 0, 0).count("items"), { code: "MODULE_MALFORMED", message: /3 items do not fit/ });
  assert.throws(() => cursor(2, 0, 0, 0).count("items", 2), { code: "MODULE_MALFORMED" });
  assert.throws(() => cursor(0xff, 0xff, 0xff, 0xff, 0x0f).count("items"), { code: "MODULE_MALFORMED" });
});

test("a name must be UTF-8 and lie within its section", () => {
  assert.equal(cursor(3, 0xe2, 0x98, 0x83).name(), "☃");
  assert.throws(() => cursor(1, 0xff).name(), { code: "MODULE_MALFORMED", message: /UTF-8/ });
  assert.throws(() => cursor(4, 0x61).name(), { code: "MODULE_MALFORMED" });
  const outside = module(section(sectionId.custom, [9, 0x61]), custom("after", "aaaaaaaa"));
  assert.throws(() => readSections(outside, "m"), { code: "MODULE_MALFORMED" });
});

test("sections tile the file and keep their content", () => {
  const content = fc.uint8Array({ maxLength: 200 });
  const customs = fc.array(fc.tuple(fc.string({ maxLength: 20 }), content), { maxLength: 8 });
  fc.assert(
    fc.property(customs, fc.boolean(), (wanted, padded) => {
      const pieces = wanted.map(([name, bytes]) => {
        const made = custom(name, bytes);
        return padded ? paddedSection(0, made.subarray(made.length - bodyLength(name, bytes))) : made;
      });
      const bytes = module(...pieces);
      const { kind, sections } = readSections(bytes, "m");
      assert.equal(kind, "module");
      let end = 8;
      for (const [index, found] of sections.entries()) {
        assert.equal(found.start, end);
        end = found.end;
        const [name, expected] = wanted[index]!;
        assert.equal(found.name, Buffer.from(name).toString());
        assert.deepEqual(bytes.slice(found.contentStart, found.end), Uint8Array.from(expected));
      }
      assert.equal(end, bytes.length);
      assert.equal(sections.length, wanted.length);
    }),
    { numRuns: 60 },
  );
});

function bodyLength(name: string, content: Uint8Array): number {
  const bytes = Buffer.from(name).length;
  return encodeU32(bytes).length + bytes + content.length;
}

test("a module cut anywhere is refused, except where a section ends", () => {
  const whole = guestModule();
  const ends = new Set([8, ...readSections(whole, "m").sections.map(({ end }) => end)]);
  for (let length = 0; length < whole.length; length++) {
    const read = (): unknown => readSections(whole.subarray(0, length), "cut.wasm");
    if (ends.has(length)) assert.doesNotThrow(read);
    else assert.throws(read, { code: /^MODULE_(NOT_WASM|MALFORMED)$/, message: /cut\.wasm/ });
  }
});

const refused: Record<string, [Uint8Array, string]> = {
  "is empty": [new Uint8Array(), "MODULE_NOT_WASM"],
  "is text": [Buffer.from("(module)"), "MODULE_NOT_WASM"],
  "is of version 2": [Uint8Array.of(0, 0x61, 0x73, 0x6d, 2, 0, 0, 0), "MODULE_MALFORMED"],
  "announces 4 GiB": [
    concatBytes([modulePreamble, Uint8Array.of(10, 0xff, 0xff, 0xff, 0xff, 0x0f)]),
    "MODULE_MALFORMED",
  ],
  "announces one byte too many": [concatBytes([modulePreamble, Uint8Array.of(10, 2, 0)]), "MODULE_MALFORMED"],
  "has an unknown section": [module(section(99, [0])), "MODULE_MALFORMED"],
  "repeats a section": [module(section(1, [0]), section(1, [0])), "MODULE_MALFORMED"],
  "has sections out of order": [module(section(2, [0]), section(1, [0])), "MODULE_MALFORMED"],
  "has the data count behind the code": [module(section(10, [0]), section(12, [0])), "MODULE_MALFORMED"],
  "has 10 001 sections": [module(...Array.from({ length: 10_001 }, () => custom("", ""))), "MODULE_LIMIT"],
};
for (const [what, [bytes, code]] of Object.entries(refused))
  test(`a file that ${what} is refused`, () => {
    assert.throws(() => readSections(bytes, "bad.wasm"), { code, message: /bad\.wasm/ });
  });

test("tags and the data count have their place in the order", () => {
  const bytes = module(...[1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11].map((id) => section(id, [0])));
  assert.equal(readSections(bytes, "m").sections.length, 13);
});

test("a component is told from a module, and its sections may come in any order", () => {
  const bytes = concatBytes([componentPreamble, section(7, [0]), section(1, []), section(7, [0])]);
  const { kind, sections } = readSections(bytes, "c.wasm");
  assert.equal(kind, "component");
  assert.deepEqual(
    sections.map(({ id }) => id),
    [7, 1, 7],
  );
});

test("bytes of any kind are read or refused by a known code, never else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      try {
        readSections(concatBytes([modulePreamble, noise]), "noise.wasm");
      } catch (error) {
        assert.ok(isLatticeError(error) && error.code === "MODULE_MALFORMED");
      }
    }),
    { numRuns: 500 },
  );
});

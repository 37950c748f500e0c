import assert from "node:assert/strict";
import { test } from "node:test";
import { functionNames } from "../../actors/name-section.ts";
import { assemble, guestText, prepared, startWorld } from "../support/guests.ts";

/** A function subsection: index and name in turn. */
function nameSection(names: readonly (readonly [number, string])[]): Uint8Array {
  const entries = names.flatMap(([index, name]) => [index, name.length, ...Buffer.from(name)]);
  const content = [names.length, ...entries];
  return Uint8Array.from([0, 2, 1, 0x61, 1, content.length, ...content]);
}

void test("names are read for the functions asked for, Rust's old mangling made readable", () => {
  const section = nameSection([
    [1, "plain"],
    [2, "_ZN4core9panicking5panic17h0123456789abcdefE"],
    [3, "_ZN3abc12_$LT$T$GT$xyE"],
    [4, "_ZN99broken"],
  ]);
  assert.deepEqual(
    [...functionNames(section, new Set([1, 2, 3, 4, 9]))],
    [
      [1, "plain"],
      [2, "core::panicking::panic"],
      [3, "abc::<T>xy"],
      [4, "_ZN99broken"],
    ],
  );
});

void test("a damaged name section names what stands before the damage and fails nobody", () => {
  const section = nameSection([
    [1, "one"],
    [2, "two"],
  ]);
  for (let length = 0; length < section.length; length++) {
    const names = functionNames(section.subarray(0, length), new Set([1, 2]));
    assert.ok(names.size <= 1);
  }
});

void test("functions of a module without names are told by their index in the file", async () => {
  await using world = startWorld();
  const text = guestText(`
    (func $inner unreachable)
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $inner)
      (i32.const 1))`);
  const module = { ...prepared(assemble(text)), names: undefined };
  // Nine imports, so the first function defined is the ninth counted from 0.
  await assert.rejects(world.pool(module).call(), { message: /unreachable in function 9 < function 10$/ });
});

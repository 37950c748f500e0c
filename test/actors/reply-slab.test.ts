import assert from "node:assert/strict";
import { test } from "node:test";
import { copyReply } from "../../actors/reply-slab.ts";

const memory = Uint8Array.from({ length: 65_536 }, (_, at) => (at * 7 + (at >> 8)) & 0xff);
const views = { buffer: memory.buffer, words: new Int32Array(memory.buffer) };

void test("a reply is the guest's bytes, wherever they lie and however many they are", () => {
  for (const at of [0, 1, 2, 3, 4, 1_021, 1_024]) {
    for (const length of [0, 1, 31, 32, 33, 34, 35, 36, 100, 253, 255, 256, 257, 4_095, 4_096, 4_097, 20_000]) {
      assert.deepEqual(copyReply(memory, views, at, length), memory.slice(at, at + length), `${length} at ${at}`);
    }
  }
});

void test("a reply may end where memory ends", () => {
  for (const length of [1, 33, 34, 35, 36, 200, 5_000]) {
    assert.deepEqual(copyReply(memory, views, memory.length - length, length), memory.slice(-length));
  }
});

void test("replies do not overlap, from slab to slab", () => {
  const replies = Array.from({ length: 3_000 }, (_, i) => ({ at: i * 4, length: 1 + (i % 270) }));
  const copies = replies.map(({ at, length }) => copyReply(memory, views, at, length));
  replies.forEach(({ at, length }, i) => assert.deepEqual(copies[i], memory.slice(at, at + length)));
});

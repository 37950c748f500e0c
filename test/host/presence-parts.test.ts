import assert from "node:assert/strict";
import { test } from "node:test";
import { array, assert as holds, integer, nat, property, record, shuffledSubarray } from "../support/fast-check.ts";
import { inParts, PartsBook } from "../../host/membership/presence-parts.ts";
import type { Presence } from "../../host/membership/presence-message.ts";
import type { PeerActor } from "../../host/remote/peers.ts";

const actor = (name: string, placements: readonly string[] = []): PeerActor => ({
  key: `M${name}`,
  name,
  issuer: "A",
  era: "E4",
  language: "rust",
  capabilities: [],
  tags: [],
  since: 1,
  placements,
  room: 1,
  queue: 0,
});
const presence = (actors: readonly PeerActor[], more: Partial<Presence> = {}): Presence => ({
  host: "N",
  name: "summer-glade-1",
  version: "1",
  labels: {},
  hello: "hello",
  places: ["c"],
  rpc: "both",
  draining: false,
  actors,
  providers: [{ key: "V", linkName: "default", contractId: "wasmcloud:keyvalue", name: "store" }],
  everyMs: 500,
  at: 1,
  ...more,
});
const many = presence(Array.from({ length: 50 }, (_, index) => actor(String(index))));
const bytesOf = (part: Presence) => Buffer.byteLength(JSON.stringify(part));

test("what is told in parts is the same together, in whatever order they come, and no part is too large", () => {
  const rows = array(record({ name: nat(), size: nat(20) }), { maxLength: 60 });
  holds(
    property(
      rows,
      integer({ min: 900, max: 20_000 }),
      shuffledSubarray([...Array(60).keys()], { minLength: 60 }),
      (sizes, most, order) => {
        const whole = presence(sizes.map(({ name, size }) => actor(String(name), Array<string>(size).fill("p"))));
        const { parts, leftOut } = inParts(whole, most);
        assert.deepEqual(leftOut, []);
        assert.ok(parts.every((part) => bytesOf(part) <= most));
        const book = new PartsBook();
        const mixed = order.flatMap((index) => parts[index] ?? []);
        const seen = mixed.map((part) => book.take(part));
        assert.deepEqual(seen.slice(0, -1), Array(parts.length - 1).fill(undefined));
        assert.deepEqual(seen.at(-1), whole);
      },
    ),
  );
});

test("3 000 actors take no more messages than they must", () => {
  const crowd = presence(
    Array.from({ length: 3_000 }, (_, index) => actor(`${index}`.padStart(40, "0"), ["p".repeat(36)])),
  );
  const { parts } = inParts(crowd, 262_144);
  assert.equal(parts.length, Math.ceil(bytesOf(crowd) / 262_144));
});

test("an actor that no message can hold is left out by name, the others are told", () => {
  const { parts, leftOut } = inParts(presence([actor("small"), actor("huge", Array<string>(500).fill("p"))]), 1_000);
  assert.deepEqual(leftOut, ["huge"]);
  assert.deepEqual(
    parts.flatMap(({ actors }) => actors.map(({ name }) => name)),
    ["small"],
  );
});

test("parts of two announcements are never put together, and those of an older one count no more", () => {
  const book = new PartsBook();
  const older = inParts(many, 2_000).parts;
  const newer = inParts({ ...many, at: 2 }, 2_000).parts;
  for (const part of older.slice(0, -1)) assert.equal(book.take(part), undefined);
  assert.equal(book.take(newer[0]!), undefined);
  assert.equal(book.take(older.at(-1)!), undefined);
  for (const part of newer.slice(1, -1)) assert.equal(book.take(part), undefined);
  assert.deepEqual(book.take(newer.at(-1)!), { ...many, at: 2 });
});

test("parts that cannot be are refused", () => {
  const book = new PartsBook();
  for (const numbers of [
    { part: 1, parts: 1 },
    { part: -1, parts: 2 },
    { part: 0, parts: 1e9 },
    { part: 0.5, parts: 2 },
    { parts: 0 },
  ])
    assert.throws(() => book.take({ ...many, ...numbers }), { code: "PRESENCE_INVALID" });
});

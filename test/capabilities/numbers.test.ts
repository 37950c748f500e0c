import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import * as fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { numberGenerator } from "../../capabilities/index.ts";
import { type Era, isLatticeError } from "../../lattice/index.ts";
import { ask, bytes, fakeCall, hex } from "../support/capabilities.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
const numbers = numberGenerator();
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function draw(era: Era, operation: string, request?: unknown): unknown {
  const payload = request === undefined ? new Uint8Array(0) : packr.pack(request);
  return unpackr.unpack(numbers.handle(fakeCall(era, operation, payload)) as Uint8Array) as unknown;
}

test("E4 gets bare ids and numbers", () => {
  assert.match(String(draw("E4", "NumberGen.GenerateGuid")), uuid);
  const number = draw("E4", "NumberGen.Random32");
  assert.ok(Number.isInteger(number) && Number(number) >= 0 && Number(number) < 2 ** 32);
  assert.equal(draw("E4", "NumberGen.RandomInRange", { min: 7, max: 7 }), 7);
  assert.equal(draw("E4", "NumberGen.RandomInRange", { min: 4_294_967_295, max: 4_294_967_295 }), 4_294_967_295);
});

test("a range includes both its ends and every number is as likely", () => {
  const counts = new Map<number, number>();
  const draws = 6_000;
  for (let i = 0; i < draws; i++) {
    const number = Number(draw("E4", "NumberGen.RandomInRange", { min: 10, max: 15 }));
    counts.set(number, (counts.get(number) ?? 0) + 1);
  }
  assert.deepEqual(
    [...counts.keys()].toSorted((a, b) => a - b),
    [10, 11, 12, 13, 14, 15],
  );
  // Chi-square with five degrees of freedom: beyond 30 once in 70 000 runs.
  const expected = draws / 6;
  const chi = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  assert.ok(chi < 30, `chi-square ${chi}`);
});

test("the extras of E0 to E3 in the encoding of each", async () => {
  // Source: waPC and actors reference, section 11.6.
  assert.match(Buffer.from(await ask(numbers, "E0", "RequestGuid", "0801"), "hex").toString(), /^\n\$[0-9a-f-]{36}$/);
  assert.match(await ask(numbers, "E0", "RequestSequence", "0802"), /^10/);
  assert.equal(await ask(numbers, "E0", "RequestRandom", "0803 1005 1805"), "1805");
  assert.equal(await ask(numbers, "E0", "RequestRandom", "0803"), "1800", "a number that is 0 is still there");

  assert.match(await ask(numbers, "E1", "RequestGuid", "918100c0"), /^918100d924/);
  assert.match(await ask(numbers, "E1", "RequestSequence", "918101c0"), /^918101/);
  assert.equal(await ask(numbers, "E1", "RequestRandom", "91 81 02 92 05 05"), "91810205");
  assert.equal(await ask(numbers, "E1", "RequestRandom", "91810292 00 01"), "91810200");

  for (const era of ["E2", "E3"] as const) {
    const request = { guid: false, sequence: false, random: true, min: 3, max: 4 };
    const random = { guid: null, sequenceNumber: 0, randomNumber: 3, sequence_number: 0, random_number: 3 };
    assert.deepEqual(draw(era, "RequestRandom", request), random);
    const { guid, ...rest } = draw(era, "RequestGuid", { ...request, guid: true }) as { guid: string };
    assert.match(guid, uuid);
    assert.deepEqual(rest, { sequenceNumber: 0, randomNumber: 0, sequence_number: 0, random_number: 0 });
    const drawn = draw(era, "RequestSequence", request) as { sequenceNumber: number; sequence_number: number };
    assert.ok(drawn.sequenceNumber > 0);
    assert.equal(drawn.sequence_number, drawn.sequenceNumber);
  }
});

test("the extras leave the upper end out, as actors that use it as a length expect", () => {
  for (let i = 0; i < 200; i++) {
    const { randomNumber } = draw("E2", "RequestRandom", { random: true, min: 0, max: 3 }) as { randomNumber: number };
    assert.ok(randomNumber >= 0 && randomNumber < 3);
  }
});

function next(provider = numbers): number {
  const reply = provider.handle(fakeCall("E2", "RequestSequence", packr.pack({}))) as Uint8Array;
  return (unpackr.unpack(reply) as { sequenceNumber: number }).sequenceNumber;
}

test("a sequence counts on by one, over all providers and threads of the process", async () => {
  const first = next();
  assert.equal(next(), first + 1);
  assert.equal(next(numberGenerator()), first + 2);
  const source = new URL("../../capabilities/numbers/sequence.ts", import.meta.url).href;
  const code = `import { parentPort } from "node:worker_threads"; import { nextInSequence } from ${JSON.stringify(source)}; parentPort.postMessage(nextInSequence());`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const inThread = await new Promise<number>((resolve, reject) => worker.on("message", resolve).on("error", reject));
  assert.equal(inThread, first + 3);
  assert.equal(next(), first + 4);
  await worker.terminate();
});

test("a range upside down, or with more than 32 bits, is refused", () => {
  for (const [era, operation, request] of [
    ["E4", "NumberGen.RandomInRange", { min: 2, max: 1 }],
    ["E4", "NumberGen.RandomInRange", { min: -1, max: 1 }],
    ["E4", "NumberGen.RandomInRange", { min: 0, max: 2 ** 32 }],
    ["E2", "RequestRandom", { min: 2, max: 1 }],
  ] as const) {
    assert.throws(() => draw(era, operation, request), { code: "PAYLOAD_MALFORMED" });
  }
  assert.throws(() => draw("E4", "NumberGen.Fly"), { code: "OPERATION_UNKNOWN" });
});

test("random bytes give a number or a named error", () => {
  const operations = ["NumberGen.RandomInRange", "RequestRandom", "RequestGuid", "RequestSequence"];
  const eras: Era[] = ["E0", "E1", "E2", "E3", "E4"];
  fc.assert(
    fc.property(
      fc.constantFrom(...eras),
      fc.constantFrom(...operations),
      fc.uint8Array({ maxLength: 30 }),
      (era, operation, payload) => {
        try {
          assert.notEqual(hex(numbers.handle(fakeCall(era, operation, payload)) as Uint8Array), "");
        } catch (error) {
          assert.ok(isLatticeError(error), String(error));
        }
      },
    ),
    { numRuns: 2_000 },
  );
  assert.ok(bytes("").length === 0);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import * as fc from "../support/fast-check.ts";
import { Packr, Unpackr } from "msgpackr";
import { numberGenerator } from "../../capabilities/index.ts";
import { type Era, isLatticeError } from "../../lattice/index.ts";
import { numbersSuite } from "../../testing/index.ts";
import { fakeCall, hex } from "../support/capabilities.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
const numbers = numberGenerator();

numbersSuite("ours", () => ({ provider: numberGenerator() }));

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
});

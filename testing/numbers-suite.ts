import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Packr, Unpackr } from "msgpackr";
import type { Provider } from "../capabilities/index.ts";
import type { Era } from "../lattice/index.ts";
import { bytes, fakeCall, fakeContext, fakeLink, hex } from "./fakes.ts";
import type { SuiteOptions } from "./server.ts";
import { type OpenedProvider, startedOnce } from "./started-once.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A provider of the contract; one serves all behaviours. */
export type NumbersUnderTest = OpenedProvider;

/** An actor that asks for numbers: literal bytes, or values of the encoding of E2 to E4. */
class Asker {
  readonly #provider: Provider;

  constructor(provider: Provider) {
    this.#provider = provider;
  }

  async bytes(era: Era, operation: string, payload = ""): Promise<string> {
    return hex(await this.#ask(era, operation, bytes(payload)));
  }

  async draw(era: Era, operation: string, request?: unknown): Promise<unknown> {
    const payload = request === undefined ? new Uint8Array(0) : packr.pack(request);
    return unpackr.unpack(await this.#ask(era, operation, payload)) as unknown;
  }

  async next(): Promise<number> {
    const { sequenceNumber } = (await this.draw("E2", "RequestSequence", {})) as { sequenceNumber: number };
    return sequenceNumber;
  }

  async #ask(era: Era, operation: string, payload: Uint8Array): Promise<Uint8Array> {
    const contractId = era === "E4" ? "wasmcloud:builtin:numbergen" : "wascc:extras";
    const link = fakeLink({}, { era, contractId });
    await this.#provider.putLink?.(link);
    return this.#provider.handle(fakeCall(era, operation, payload, { link }));
  }
}

/** What every provider of `wasmcloud:builtin:numbergen`, the `extras` of earlier years, must do. */
export function numbersSuite(
  name: string,
  open: () => NumbersUnderTest | Promise<NumbersUnderTest>,
  { skip = false }: SuiteOptions = {},
): void {
  // Source: waPC and actors reference, section 11.6.
  void describe(`${name} as a number generator`, { skip }, () => {
    const provider = startedOnce(open, fakeContext());
    const behaviour = (title: string, body: (asker: Asker) => Promise<void>): void => {
      void test(title, async () => {
        await body(new Asker(await provider()));
      });
    };

    behaviour("E4 gets bare ids and numbers", async (asker) => {
      assert.match(String(await asker.draw("E4", "NumberGen.GenerateGuid")), uuid);
      const number = await asker.draw("E4", "NumberGen.Random32");
      assert.ok(Number.isInteger(number) && Number(number) >= 0 && Number(number) < 2 ** 32);
      for (const only of [0, 7, 4_294_967_295])
        assert.equal(await asker.draw("E4", "NumberGen.RandomInRange", { min: only, max: only }), only);
    });

    behaviour("the extras of E0 and E1 in the encoding of each", async (asker) => {
      const guid = Buffer.from(await asker.bytes("E0", "RequestGuid", "0801"), "hex").toString();
      assert.match(guid, /^\n\$[0-9a-f-]{36}$/);
      assert.match(await asker.bytes("E0", "RequestSequence", "0802"), /^10/);
      assert.equal(await asker.bytes("E0", "RequestRandom", "0803 1005 1805"), "1805");
      assert.equal(await asker.bytes("E0", "RequestRandom", "0803"), "1800", "a number that is 0 is still there");
      assert.match(await asker.bytes("E1", "RequestGuid", "918100c0"), /^918100d924/);
      assert.match(await asker.bytes("E1", "RequestSequence", "918101c0"), /^918101/);
      assert.equal(await asker.bytes("E1", "RequestRandom", "91 81 02 92 05 05"), "91810205");
      assert.equal(await asker.bytes("E1", "RequestRandom", "91810292 00 01"), "91810200");
    });

    behaviour("the extras of E2 and E3 have every field, in both spellings", async (asker) => {
      for (const era of ["E2", "E3"] as const) {
        const request = { guid: false, sequence: false, random: true, min: 3, max: 4 };
        const random = { guid: null, sequenceNumber: 0, randomNumber: 3, sequence_number: 0, random_number: 3 };
        assert.deepEqual(await asker.draw(era, "RequestRandom", request), random);
        const { guid, ...rest } = (await asker.draw(era, "RequestGuid", { ...request, guid: true })) as {
          guid: string;
        };
        assert.match(guid, uuid);
        assert.deepEqual(rest, { sequenceNumber: 0, randomNumber: 0, sequence_number: 0, random_number: 0 });
        const drawn = (await asker.draw(era, "RequestSequence", request)) as Record<string, number>;
        assert.ok(drawn["sequenceNumber"]! > 0);
        assert.equal(drawn["sequence_number"], drawn["sequenceNumber"]);
      }
    });

    behaviour("a range of E4 has both its ends, and every number is as likely", async (asker) => {
      const draws = 6_000;
      const counts = new Map<number, number>();
      for (let round = 0; round < draws / 100; round++) {
        const drawn = Array.from({ length: 100 }, () =>
          asker.draw("E4", "NumberGen.RandomInRange", { min: 10, max: 15 }),
        );
        for (const each of await Promise.all(drawn)) counts.set(Number(each), (counts.get(Number(each)) ?? 0) + 1);
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

    behaviour("the extras leave the upper end out, as actors that use it as a length expect", async (asker) => {
      for (let i = 0; i < 200; i++) {
        const drawn = await asker.draw("E2", "RequestRandom", { random: true, min: 0, max: 3 });
        const { randomNumber } = drawn as { randomNumber: number };
        assert.ok(randomNumber >= 0 && randomNumber < 3);
      }
    });

    behaviour(
      "a sequence counts on by one; sixty-four callers at once get each a number of their own",
      async (asker) => {
        const first = await asker.next();
        assert.equal(await asker.next(), first + 1);
        const numbers = await Promise.all(Array.from({ length: 64 }, () => asker.next()));
        assert.equal(new Set(numbers).size, 64);
        assert.equal(Math.max(...numbers), first + 65);
        const ids = await Promise.all(Array.from({ length: 64 }, () => asker.draw("E4", "NumberGen.GenerateGuid")));
        assert.equal(new Set(ids).size, 64);
      },
    );

    behaviour(
      "ranges upside down, or of more than 32 bits, bytes that make no sense and other operations are refused",
      async (asker) => {
        for (const [era, operation, request] of [
          ["E4", "NumberGen.RandomInRange", { min: 2, max: 1 }],
          ["E4", "NumberGen.RandomInRange", { min: -1, max: 1 }],
          ["E4", "NumberGen.RandomInRange", { min: 0, max: 2 ** 32 }],
          ["E4", "NumberGen.RandomInRange", "text"],
          ["E2", "RequestRandom", { min: 2, max: 1 }],
          ["E3", "RequestRandom", { min: "0", max: 1 }],
        ] as const)
          await assert.rejects(
            asker.draw(era, operation, request),
            { code: "PAYLOAD_MALFORMED" },
            JSON.stringify(request),
          );
        for (const [era, payload] of [
          ["E0", "0aff"],
          ["E1", "91"],
          ["E2", "82a3"],
          ["E4", "82"],
        ] as const)
          await assert.rejects(
            asker.bytes(era, era === "E4" ? "NumberGen.RandomInRange" : "RequestRandom", payload),
            { code: "PAYLOAD_MALFORMED" },
            era,
          );
        await assert.rejects(asker.draw("E4", "NumberGen.Fly"), { code: "OPERATION_UNKNOWN" });
      },
    );
  });
}

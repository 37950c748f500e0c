import { startHost } from "../../host/index.ts";
import { assembled } from "../assembled.ts";
import { preparedGuest } from "../guests.ts";
import { median, type Row } from "../harness.ts";

/** Calls inside one outer call; the rest of the outer call is thin against them. */
const inner = 1_000;

/** One actor calls another by its alias on one host: names, claims, route, hops, deadline, size, both guests. */
export const actorCall: Row = {
  name: "actor-actor",
  short: true,
  async measure({ short }) {
    const rounds = short ? 100 : 600;
    await using host = await startHost();
    await host.startActor(preparedGuest(assembled("echo"), { name: "echo", callAlias: "bench/echo" }));
    const caller = await host.startActor(preparedGuest(assembled("caller"), { name: "caller" }));
    const payload = new Uint8Array(Uint32Array.of(inner).buffer);
    const samples: number[] = [];
    for (let round = -rounds / 4; round < rounds; round++) {
      const begin = performance.now();
      const reply = await host.call(caller, "Run", payload);
      const us = ((performance.now() - begin) * 1_000) / inner;
      if (reply.length !== 100) throw new Error(`a reply of ${reply.length} bytes`);
      if (round >= 0) samples.push(us);
    }
    return [
      {
        row: "actor-actor",
        figure: "actor -> actor on one host, 100 B each way",
        value: median(samples),
        unit: "us/call",
        budget: { of: "value", better: "lower", first: 5, goal: 1 },
        how: `a guest calls another ${inner} times in one call, every check on; ${rounds} such calls, median`,
      },
    ];
  },
};

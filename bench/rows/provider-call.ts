import { childProvider, type Host, startHost, threadProvider } from "../../host/index.ts";
import { assembled } from "../assembled.ts";
import echo from "../children/echo-provider.ts";
import { preparedGuest } from "../guests.ts";
import { type Figure, median, type Row } from "../harness.ts";
import { repositoryFile } from "../processes.ts";

/** Calls inside one outer call; the rest of the outer call is thin against them. */
const inner = 1_000;

/** An actor calls a provider in this thread and the same one in a thread and in a process of its own: claims, link, route, hops, deadline, size, guest. */
export const providerCall: Row = {
  name: "provider-call",
  short: true,
  async measure({ short }) {
    await using host = await startHost();
    const caller = await host.startActor(
      preparedGuest(assembled("caller"), { name: "caller", capabilities: [echo.contractId] }),
    );
    const handle = await host.startProvider(echo);
    await host.link(caller, handle);
    const here = await microseconds(host, caller.id, short ? 100 : 600);
    const module = repositoryFile("bench/children/echo-provider.ts");
    await host.swapProvider(handle, await threadProvider(module), { trialMs: 0 });
    const beside = await microseconds(host, caller.id, short ? 5 : 30);
    await host.swapProvider(handle, await childProvider(module), { trialMs: 0 });
    const there = await microseconds(host, caller.id, short ? 5 : 30);
    const figure = (text: string, value: number, how: string): Figure => ({
      row: "provider-call",
      figure: text,
      value,
      unit: "us/call",
      how: `a guest calls ${inner} times in one call, one after the other, 100 B each way, every check on; ${how}`,
    });
    return [
      {
        ...figure("actor -> provider in this thread", here, "median"),
        budget: { of: "value", better: "lower", first: 5, goal: 1 },
      },
      {
        ...figure("actor -> provider in a thread of its own", beside, "median; 64 at once: child-provider"),
        peer: { name: "the same provider in this thread", value: here },
        ratio: beside / here,
      },
      {
        ...figure("actor -> provider in a process of its own", there, "median; 64 at once: child-provider"),
        peer: { name: "the same provider in this thread", value: here },
        ratio: there / here,
      },
    ];
  },
};

async function microseconds(host: Host, caller: string, rounds: number): Promise<number> {
  const payload = new Uint8Array(Uint32Array.of(inner).buffer);
  const samples: number[] = [];
  for (let round = -rounds / 4; round < rounds; round++) {
    const begin = performance.now();
    const reply = await host.call(caller, "Run", payload);
    const us = ((performance.now() - begin) * 1_000) / inner;
    if (reply.length !== 100) throw new Error(`a reply of ${reply.length} bytes`);
    if (round >= 0) samples.push(us);
  }
  return median(samples);
}

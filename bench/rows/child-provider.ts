import { memoryKeyvalue, type Provider } from "../../capabilities/index.ts";
import { childProvider } from "../../host/index.ts";
import { fakeCall, fakeContext, fakeLink } from "../../test/support/capabilities.ts";
import { type BenchRun, type Figure, inTurns, type Row } from "../harness.ts";
import { repositoryFile } from "../processes.ts";

/** A call to a store in a process of its own, beside the same store in this one. */
export const childProviderRow: Row = {
  name: "child-provider",
  short: true,
  async measure(run) {
    const link = fakeLink();
    const here = memoryKeyvalue();
    await using there = await childProvider(repositoryFile("test/support/memory-store.ts"));
    await there.start(fakeContext());
    for (const provider of [here, there] as const) await provider.putLink?.(link);
    return [await figure(run, there, here, 1), await figure(run, there, here, 64)];
  },
};

async function figure({ short }: BenchRun, there: Provider, here: Provider, concurrency: number): Promise<Figure> {
  const [rounds, ms] = short ? [3, 100] : [7, 500];
  const increment = fakeCall("E4", "KeyValue.Increment", Buffer.from("82a36b6579a26b31a576616c756501", "hex"), {
    link: fakeLink(),
    deadline: Number.POSITIVE_INFINITY,
  });
  await microseconds(there, increment, concurrency, ms);
  await microseconds(here, increment, concurrency, ms / 10);
  const compared = await inTurns(
    rounds,
    () => microseconds(there, increment, concurrency, ms),
    () => microseconds(here, increment, concurrency, ms / 10),
  );
  return {
    row: "child-provider",
    figure: `call to a provider in a process of its own, c=${concurrency}`,
    value: compared.ours,
    unit: "us/call",
    peer: { name: "the same provider in this process", value: compared.peer },
    ratio: compared.ratio,
    how: `key-value increment in memory; ${rounds} rounds of ${ms} ms in turns, medians; host and child share the cores`,
  };
}

/** Wall clock per call with `concurrency` calls under way. */
async function microseconds(
  provider: Provider,
  call: ReturnType<typeof fakeCall>,
  concurrency: number,
  ms: number,
): Promise<number> {
  const begin = performance.now();
  let count = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() - begin < ms) {
        // An answer that is there at once costs no promise.
        const answer = provider.handle(call);
        if (!(answer instanceof Uint8Array)) await answer;
        count++;
      }
    }),
  );
  return ((performance.now() - begin) * 1_000) / count;
}

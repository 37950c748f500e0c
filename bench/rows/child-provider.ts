import { memoryKeyvalue, type Provider } from "../../capabilities/index.ts";
import { childProvider, threadProvider } from "../../host/index.ts";
import { fakeCall, fakeContext, fakeLink } from "../../test/support/capabilities.ts";
import { type BenchRun, type Figure, inTurns, type Row } from "../harness.ts";
import { repositoryFile } from "../processes.ts";

/** A call to a store in a process and in a thread of its own, beside the same store in this thread. */
export const childProviderRow: Row = {
  name: "child-provider",
  short: true,
  async measure(run) {
    const link = fakeLink();
    const here = memoryKeyvalue();
    const module = repositoryFile("test/support/memory-store.ts");
    await using thread = await threadProvider(module);
    await using child = await childProvider(module);
    for (const provider of [thread, child]) await provider.start(fakeContext());
    for (const provider of [here, thread, child] as const) await provider.putLink?.(link);
    return [
      await figure(run, thread, here, 1, "thread"),
      await figure(run, thread, here, 64, "thread"),
      await figure(run, child, here, 1, "process"),
      await figure(run, child, here, 64, "process"),
    ];
  },
};

async function figure(
  { short }: BenchRun,
  there: Provider,
  here: Provider,
  concurrency: number,
  where: "thread" | "process",
): Promise<Figure> {
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
    figure: `call to a provider in a ${where} of its own, c=${concurrency}`,
    value: compared.ours,
    unit: "us/call",
    peer: { name: "the same provider in this thread", value: compared.peer },
    ratio: compared.ratio,
    how: `key-value increment in memory; ${rounds} rounds of ${ms} ms in turns, medians; host and ${where} share the cores`,
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

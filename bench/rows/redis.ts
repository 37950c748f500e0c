import { Redis } from "ioredis";
import { redisKeyvalue } from "../../capabilities/index.ts";
import { fakeCall, fakeLink } from "../../test/support/capabilities.ts";
import { StoreServer, skipWithout } from "../../test/support/store-servers.ts";
import { type BenchRun, type Figure, inTurns, type Row } from "../harness.ts";
import { loaderName, requestsPerSecond } from "../load.ts";
import { latticeRun, repositoryFile, startNode } from "../processes.ts";

const concurrency = 64;

/** Calls of an actor to the Redis provider, payloads read and written, beside the client alone doing the same. */
export const redisCall: Row = {
  name: "redis-call",
  short: true,
  async measure(run) {
    const why = skipWithout("redis-server");
    if (why !== false) return skipped(run, why);
    await using server = await StoreServer.start("redis-server");
    const url = `redis://127.0.0.1:${server.port}`;
    const provider = redisKeyvalue({ url });
    const link = fakeLink();
    await provider.putLink(link);
    const bare = new Redis(server.port, "127.0.0.1", { enableAutoPipelining: true });
    try {
      const increment = fakeCall("E4", "KeyValue.Increment", hex("82a36b6579a26b31a576616c756501"), { link });
      const get = fakeCall("E4", "KeyValue.Get", hex("a26b31"), { link });
      return [
        await figure(
          run,
          "Increment",
          () => provider.handle(increment),
          () => bare.incrby("k2", 1),
        ),
        await figure(
          run,
          "Get",
          () => provider.handle(get),
          () => bare.get("k1"),
        ),
      ];
    } finally {
      bare.disconnect();
      await provider.stop();
    }
  },
};

export const httpRedis: Row = {
  name: "http-redis",
  short: false,
  async measure(run) {
    const why = skipWithout("redis-server");
    if (why !== false) return skipped(run, why);
    const [seconds, rounds] = run.short ? [1, 3] : [2, 5];
    await using server = await StoreServer.start("redis-server");
    const url = `redis://127.0.0.1:${server.port}`;
    const module = repositoryFile("actors/examples/kvcounter-rust/kvcounter.wasm");
    await using lattice = await latticeRun([module], ["--kv", url]);
    await using bare = await startNode([repositoryFile("bench/peers/bare-http.mjs"), "counter"]);
    const ours = { url: `${lattice.url}/tea`, connections: concurrency, seconds };
    const theirs = { url: `${String(bare.ready["url"])}/tea`, connections: concurrency, seconds };
    await requestsPerSecond(ours);
    await requestsPerSecond(theirs);
    const compared = await inTurns(
      rounds,
      () => requestsPerSecond(ours),
      () => requestsPerSecond(theirs),
    );
    return [
      {
        row: "http-redis",
        figure: "HTTP -> Rust counter -> key-value in Redis, GET",
        value: compared.ours,
        unit: "requests/s",
        peer: { name: "bare node:http", value: compared.peer },
        ratio: compared.ratio,
        budget: { of: "ratio", better: "higher", first: 0.2, goal: 0.5 },
        how: `${loaderName}, c=${concurrency}, ${rounds} rounds of ${seconds} s in turns after one to warm up, medians; the peer asks no Redis`,
      },
    ];
  },
};

async function figure({ short }: BenchRun, name: string, ours: () => unknown, theirs: () => unknown): Promise<Figure> {
  const [rounds, ms] = short ? [3, 200] : [7, 1_000];
  await perSecond(ms, ours);
  await perSecond(ms, theirs);
  const compared = await inTurns(
    rounds,
    () => perSecond(ms, ours),
    () => perSecond(ms, theirs),
  );
  return {
    row: "redis-call",
    figure: `provider call to Redis, ${name}, c=${concurrency}`,
    value: compared.ours,
    unit: "calls/s",
    peer: { name: "bare ioredis, auto-pipelining", value: compared.peer },
    ratio: compared.ratio,
    budget: { of: "ratio", better: "higher", first: 0.5, goal: 0.8 },
    how: `one server, both clients in this process; ${rounds} rounds of ${ms} ms in turns, medians`,
  };
}

async function perSecond(ms: number, ask: () => unknown): Promise<number> {
  const begin = performance.now();
  let count = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() - begin < ms) {
        await ask();
        count++;
      }
    }),
  );
  return (count / (performance.now() - begin)) * 1_000;
}

function skipped(run: BenchRun, why: string): Figure[] {
  run.say(`skipped: ${why}`);
  return [];
}

function hex(digits: string): Uint8Array {
  return Buffer.from(digits, "hex");
}

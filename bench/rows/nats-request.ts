import { connect } from "nats";
import { connectNats } from "../../lattice/index.ts";
import { findNatsServer, NatsServer } from "../../test/support/nats-server.ts";
import { type Ask, type BenchRun, type Figure, inTurns, perSecond, type Row } from "../harness.ts";
import { repositoryFile, startNode } from "../processes.ts";

const payload = new Uint8Array(100).fill(7);

/**
 * A request and its reply over a real server, client and answerer in processes of their own, against
 * the `nats` package doing the same on the same server. What remote calls can reach at best.
 */
export const natsRequest: Row = {
  name: "nats-request",
  short: false,
  async measure(run) {
    if (findNatsServer() === undefined) {
      run.say("skipped: no nats-server on PATH or in NATS_SERVER");
      return [];
    }
    await using server = await NatsServer.start({ jetStream: false });
    const child = repositoryFile("bench/children/nats-echo.ts");
    await using _ours = await startNode([child, "lattice", server.url]);
    await using _theirs = await startNode([child, "nats", server.url]);
    await using ours = await connectNats({ servers: server.url });
    const theirs = await connect({ servers: server.url });
    try {
      await ours.bus.flush();
      const asks = {
        ours: async () => {
          await ours.bus.request("echo.lattice", payload, { timeoutMs: 5_000 });
          return 1;
        },
        theirs: async () => {
          await theirs.request("echo.nats", payload, { timeout: 5_000 });
          return 1;
        },
      };
      const figures: Figure[] = [];
      for (const concurrency of [1, 64, 256]) figures.push(await figure(run, concurrency, asks.ours, asks.theirs));
      return figures;
    } finally {
      await theirs.close();
    }
  },
};

async function figure({ short }: BenchRun, concurrency: number, ours: Ask, theirs: Ask): Promise<Figure> {
  const [rounds, ms] = short ? [3, 300] : [7, 1_000];
  await perSecond(concurrency, ms / 2, ours);
  await perSecond(concurrency, ms / 2, theirs);
  const compared = await inTurns(
    rounds,
    () => perSecond(concurrency, ms, ours),
    () => perSecond(concurrency, ms, theirs),
  );
  return {
    row: "nats-request",
    figure: `request and reply of the bus on NATS, 100 B, c=${concurrency}`,
    value: compared.ours,
    unit: "req/s",
    peer: { name: "nats package", value: compared.peer },
    ratio: compared.ratio,
    budget: { of: "ratio", better: "higher", first: 0.9, goal: 1.5 },
    how: `own processes for both ends, one server; ${rounds} rounds of ${ms} ms in turns, median`,
  };
}

import { findNatsServer, NatsServer } from "../../test/support/nats-server.ts";
import { until } from "../../test/support/until.ts";
import { type Figure, inTurns, type Row } from "../harness.ts";
import { latticePair } from "../lattice-pair.ts";

const callers = 64;
const longestMs = 60_000;

/** Calls to an actor on other hosts while one more host that runs it comes and leaves in order: the pace, and none is lost. */
export const latticeChurn: Row = {
  name: "lattice-churn",
  short: true,
  async measure(run) {
    if (findNatsServer() === undefined) {
      run.say("skipped: no nats-server on PATH or in NATS_SERVER");
      return [];
    }
    const rounds = run.short ? 1 : 5;
    await using server = await NatsServer.start();
    await using pair = await latticePair(server.url, "session");
    const failures: string[] = [];
    /** Calls per second for as long as `work` takes. */
    const during = async (work: () => Promise<unknown>): Promise<number> => {
      const begin = performance.now();
      let count = 0;
      let ended = false;
      const calling = Array.from({ length: callers }, async () => {
        while (!ended) {
          try {
            const more = await pair.single();
            count += more;
          } catch (error) {
            failures.push(error instanceof Error ? error.message : String(error));
          }
        }
      });
      try {
        await work();
      } finally {
        ended = true;
        await Promise.all(calling);
      }
      return (count / (performance.now() - begin)) * 1_000;
    };
    const still = () => during(() => new Promise((resolve) => setTimeout(resolve, run.short ? 500 : 2_000)));
    await still();
    const compared = await inTurns(
      rounds,
      () =>
        during(async () => {
          const another = await pair.another();
          await until(() => pair.hosts() === 2, longestMs);
          await another[Symbol.asyncDispose]();
          await until(() => pair.hosts() === 1, longestMs);
        }),
      still,
    );
    if (failures[0] !== undefined) run.say(`${failures.length} calls failed: ${failures[0]}`);
    const how = `${rounds} times a process starts, joins with the actor that is called, and leaves; c=${callers}`;
    const figure = (text: string, more: Pick<Figure, "value" | "unit"> & Partial<Figure>): Figure => ({
      row: "lattice-churn",
      figure: `actor -> actor while a host joins and leaves: ${text}`,
      how,
      ...more,
    });
    return [
      figure("pace", {
        value: compared.ours,
        unit: "call/s",
        peer: { name: "no host comes or goes", value: compared.peer },
        ratio: compared.ratio,
      }),
      figure("failed", {
        value: failures.length,
        unit: "calls",
        budget: { of: "value", better: "lower", first: 0, goal: 0 },
      }),
    ];
  },
};

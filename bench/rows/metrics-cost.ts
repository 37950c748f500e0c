import { createServer } from "node:net";
import { inTurns, type Row } from "../harness.ts";
import { loaderName, requestsPerSecond } from "../load.ts";
import { latticeRun, repositoryFile } from "../processes.ts";

const everyMs = 100;

/** What it costs to be watched: figures are always kept; here they are also read, ten times a second. */
export const metricsCost: Row = {
  name: "metrics",
  short: false,
  async measure({ short }) {
    const [seconds, rounds] = short ? [1, 3] : [2, 5];
    const port = await freePort();
    await using lattice = await latticeRun(
      [repositoryFile("actors/examples/echo-rust/echo.wasm")],
      ["--metrics", `127.0.0.1:${port}`],
    );
    const load = { url: `${lattice.url}/tea`, connections: 64, seconds, body: "x".repeat(100) };
    await requestsPerSecond(load);
    let scrapes = 0;
    const scraped = async () => {
      const timer = setInterval(() => {
        void fetch(`http://127.0.0.1:${port}/metrics`)
          .then((answer) => answer.text())
          .then((text) => void (scrapes += text.includes("# TYPE") ? 1 : 0));
      }, everyMs);
      try {
        return await requestsPerSecond(load);
      } finally {
        clearInterval(timer);
      }
    };
    const compared = await inTurns(rounds, scraped, () => requestsPerSecond(load));
    if (scrapes < rounds) throw new Error("the metrics could not be read");
    return [
      {
        row: "metrics",
        figure: `HTTP echo while metrics are read every ${everyMs} ms`,
        value: compared.ours,
        unit: "requests/s",
        peer: { name: "not read", value: compared.peer },
        ratio: compared.ratio,
        how: `${loaderName}, c=64, one host, ${rounds} rounds of ${seconds} s in turns, medians; the figures themselves are always kept`,
      },
    ];
  },
};

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

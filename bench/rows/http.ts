import { type BenchRun, type Budget, type Figure, inTurns, type Row } from "../harness.ts";
import { loaderName, requestsPerSecond } from "../load.ts";
import { latticeRun, repositoryFile, startNode } from "../processes.ts";

interface HttpCase {
  readonly name: string;
  readonly figure: string;
  readonly actors: readonly string[];
  /** What `peers/bare-http.mjs` does instead. */
  readonly peer: "echo" | "counter" | "pong";
  /** Default /tea; the pinger takes another actor's name there. */
  readonly path?: string;
  readonly body?: string;
  readonly budget: Budget;
  readonly short: boolean;
}

const connections = 64;
const budgetOf = (first: number, goal: number): Budget => ({ of: "ratio", better: "higher", first, goal });

const cases: readonly HttpCase[] = [
  {
    name: "http-echo",
    figure: "HTTP -> Rust echo actor, POST 100 B",
    actors: ["echo-rust/echo.wasm"],
    peer: "echo",
    body: "x".repeat(100),
    budget: budgetOf(0.45, 0.8),
    short: true,
  },
  {
    name: "http-get",
    figure: "HTTP -> Rust echo actor, GET, answered with JSON",
    actors: ["echo-rust/echo.wasm"],
    peer: "echo",
    budget: budgetOf(0.45, 0.8),
    short: false,
  },
  {
    name: "http-keyvalue",
    figure: "HTTP -> Rust counter -> key-value in memory, GET",
    actors: ["kvcounter-rust/kvcounter.wasm"],
    peer: "counter",
    budget: budgetOf(0.35, 0.7),
    short: true,
  },
  {
    name: "http-actor",
    figure: "HTTP -> Rust pinger -> Rust ponger, GET",
    actors: ["pinger-rust/pinger.wasm", "ponger-rust/ponger.wasm"],
    peer: "pong",
    path: "/",
    budget: budgetOf(0.35, 0.7),
    short: false,
  },
];

export const httpRows: readonly Row[] = cases.map((each) => ({
  name: each.name,
  short: each.short,
  measure: (run) => measure(each, run),
}));

/** `lattice run` and bare `node:http`, each a process of its own on this same Node, loaded in turns. */
async function measure(
  { name, figure, actors, peer, path = "/tea", body, budget }: HttpCase,
  run: BenchRun,
): Promise<Figure[]> {
  const [seconds, rounds] = run.short ? [1, 3] : [2, 5];
  await using lattice = await latticeRun(actors.map((file) => repositoryFile(`actors/examples/${file}`)));
  await using bare = await startNode([repositoryFile("bench/peers/bare-http.mjs"), peer]);
  const ours = { url: lattice.url + path, connections, seconds, body };
  const theirs = { url: String(bare.ready.url) + path, connections, seconds, body };
  await requestsPerSecond(ours);
  await requestsPerSecond(theirs);
  const compared = await inTurns(
    rounds,
    () => requestsPerSecond(ours),
    () => requestsPerSecond(theirs),
  );
  return [
    {
      row: name,
      figure,
      value: compared.ours,
      unit: "requests/s",
      peer: { name: "bare node:http", value: compared.peer },
      ratio: compared.ratio,
      budget,
      how: `${loaderName}, c=${connections}, ${rounds} rounds of ${seconds} s in turns after one to warm up, medians; lattice run with its defaults (one engine)`,
    },
  ];
}

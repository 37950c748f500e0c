/**
 * A client in a process of its own. It sends a request every few milliseconds whether earlier ones
 * were answered or not, and checks every answer. Given as JSON: `{url, everyMs}`. Each line on
 * standard input ends one measurement, whose figures it prints as JSON; the end of input ends it.
 */
import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import type { Steadiness } from "./steady-load.ts";

const { url, everyMs } = JSON.parse(process.argv[2]!) as { url: string; everyMs: number };
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
let latencies: number[] = [];
let wrong: string[] = [];
let open = 0;
let sent = 0;

function send(): void {
  const body = `request ${sent++}`;
  const since = performance.now();
  open++;
  const settle = (problem?: string) => {
    open--;
    latencies.push(performance.now() - since);
    if (problem !== undefined) wrong.push(problem);
  };
  request(url, { method: "POST", agent, headers: { "content-length": body.length } }, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    response.on("end", () => settle(text === body ? undefined : `${response.statusCode} ${text} instead of ${body}`));
  })
    .on("error", (error) => settle(error.message))
    .end(body);
}

const timer = setInterval(send, everyMs);
const lines = createInterface({ input: process.stdin });

lines.on("line", () => {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const figures: Steadiness = {
    answers: sorted.length,
    wrong: wrong.length,
    firstWrong: wrong[0],
    unanswered: open,
    p50: at(0.5),
    p99: at(0.99),
    worst: at(1),
  };
  latencies = [];
  wrong = [];
  process.stdout.write(`${JSON.stringify(figures)}\n`);
});

lines.on("close", () => {
  clearInterval(timer);
  agent.destroy();
  process.exit();
});

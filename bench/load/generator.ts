import { connect, type Socket } from "node:net";
import type { Generated, Load } from "../load.ts";

/**
 * Loads an HTTP server from raw sockets, one request at a time on each, and prints what came of it
 * as JSON. Closed loop: each answer is followed by the next request. Open loop (`ratePerSecond`):
 * requests are due at fixed times whatever the answers do, and one that finds no free connection is
 * measured from when it was due, so that a server that stalls cannot hide it.
 */
const load = JSON.parse(process.argv[2]!) as Load & { ratePerSecond?: number };
const { hostname, port, pathname } = new URL(load.url);
const request = Buffer.from(
  `${load.body === undefined ? "GET" : "POST"} ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
    (load.body === undefined
      ? "\r\n"
      : `Content-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(load.body)}\r\n\r\n${load.body}`),
);
const headEnd = Buffer.from("\r\n\r\n");

/** Latency of each answer in milliseconds. */
const latencies: number[] = [];
/** Open loop: when requests that found no free connection were due. */
const due: number[] = [];
const free: Connection[] = [];
const open = load.ratePerSecond !== undefined;
let running = true;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function fail(why: string): never {
  process.stderr.write(`${load.url}: ${why}\n`);
  process.exit(1);
}

class Connection {
  readonly #socket: Socket;
  #since = 0;
  #received = 0;
  #length = -1;
  #head = Buffer.alloc(0);

  constructor() {
    this.#socket = connect(Number(port), hostname).setNoDelay(true);
    this.#socket.on("connect", () => this.#next());
    this.#socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on("error", (error) => fail(error.message));
    this.#socket.on("close", () => running && fail("the server closed a connection"));
  }

  send(since: number): void {
    this.#since = since;
    this.#socket.write(request);
  }

  end(): void {
    this.#socket.destroy();
  }

  #next(): void {
    if (!running) return;
    if (!open) return this.send(performance.now());
    const since = due.shift();
    if (since === undefined) free.push(this);
    else this.send(since);
  }

  #receive(chunk: Buffer): void {
    if (this.#length < 0) {
      this.#head = Buffer.concat([this.#head, chunk]);
      const end = this.#head.indexOf(headEnd);
      if (end < 0) return;
      const head = this.#head.toString("latin1", 0, end);
      if (!/^HTTP\/1.1 2\d\d /.test(head)) fail(head.split("\r\n", 1)[0]!);
      this.#length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? fail("an answer without a length"));
      this.#received = this.#head.length - end - headEnd.length;
      this.#head = Buffer.alloc(0);
    } else this.#received += chunk.length;
    if (this.#received < this.#length) return;
    this.#length = -1;
    latencies.push(performance.now() - this.#since);
    this.#next();
  }
}

const connections = Array.from({ length: load.connections }, () => new Connection());
/** Of each run: connecting, the first answers, compilers. */
const warmUpMs = 500;
let begin = performance.now();

if (load.ratePerSecond === undefined) {
  await pause(warmUpMs);
  latencies.length = 0;
  begin = performance.now();
  await pause(load.seconds * 1_000);
} else {
  const gap = 1_000 / load.ratePerSecond;
  let warm = false;
  const end = begin + warmUpMs + load.seconds * 1_000;
  for (let next = begin, now = begin; now < end; now = performance.now()) {
    if (!warm && now >= begin + warmUpMs) {
      warm = true;
      latencies.length = 0;
    }
    // What is due since the last look is asked for now: that a timer is late is not the server's fault.
    for (; next <= now; next += gap) {
      const connection = free.pop();
      if (connection) connection.send(now);
      else due.push(now);
    }
    await pause(1);
  }
  begin += warmUpMs;
}

running = false;
const seconds = (performance.now() - begin) / 1_000;
for (const connection of connections) connection.end();
// What still waits has waited at least this long.
for (const since of due) latencies.push(performance.now() - since);
const sorted = latencies.toSorted((a, b) => a - b);
const at = (part: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? fail("no answers");
const result: Generated = {
  perSecond: latencies.length / seconds,
  p50: at(0.5),
  p99: at(0.99),
  max: at(1),
};
process.stdout.write(`${JSON.stringify(result)}\n`);

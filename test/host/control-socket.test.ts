import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { spawnSync } from "node:child_process";
import { fail } from "../../lattice/index.ts";
import { ControlSocket, type ControlSocketOptions } from "../../host/control-socket.ts";
import { Jobs } from "../../host/membership/jobs.ts";
import { text, wholeNumber } from "../../host/parameters.ts";
import { listSockets, socketPath } from "../../host/socket-folder.ts";
import { type Verbs, verb } from "../../host/verb-table.ts";
import { until } from "../support/until.ts";

const root = mkdtempSync("/tmp/wl-control-");
after(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
beforeEach(() => {
  process.env["XDG_RUNTIME_DIR"] = join(root, String(++folders));
  mkdirSync(process.env["XDG_RUNTIME_DIR"], { mode: 0o700 });
});

/** What a test sees of a stream from inside the verb. */
const ticks = { running: 0, sent: 0 };

const verbs: Verbs = {
  scale: verb({
    name: "scale",
    summary: "sets the number of instances",
    params: { actor: text(), instances: wholeNumber(1, 10) },
    run: async (params) => params,
  }),
  "get.actor": verb({
    name: "get.actor",
    summary: "one actor",
    reads: true,
    params: { name: text() },
    run: async ({ name }) => {
      if (name === "bug") throw new TypeError("x is not a function");
      if (name !== "counter") throw fail("ACTOR_ABSENT", name);
      return { actor: { name } };
    },
  }),
  ticks: verb({
    name: "ticks",
    summary: "counts for ever",
    reads: true,
    params: { fail_at: wholeNumber(0, 1_000_000) },
    run: async ({ fail_at }, { signal }) => count(fail_at, signal),
  }),
  deaf: { summary: "never answers", run: async () => await new Promise<object>(() => {}) },
  "deaf.stream": {
    summary: "streams and hears no signal",
    run: async () => ({
      [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<object>>(() => {}) }),
    }),
  },
};

async function* count(failAt: number, signal: AbortSignal): AsyncGenerator<object> {
  ticks.running++;
  try {
    for (let n = 1; !signal.aborted; n++) {
      if (n === failAt) throw fail("STOPPED", "the counter");
      ticks.sent = n;
      yield { n, filler: "x".repeat(1_000) };
    }
  } finally {
    ticks.running--;
  }
}

async function open(more: Partial<ControlSocketOptions> = {}): Promise<ControlSocket> {
  return await ControlSocket.start({ id: "NTEST", verbs, jobs: new Jobs(), ...more });
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, unknown>;
}

async function ask(socket: ControlSocket, method: string, path: string, body?: string | Buffer): Promise<Answer> {
  const response = await begin(socket, method, path, body);
  const pieces: Buffer[] = [];
  for await (const piece of response as AsyncIterable<Buffer>) pieces.push(piece);
  const { statusCode: status = 0, headers } = response;
  return { status, headers, body: JSON.parse(Buffer.concat(pieces).toString()) as Record<string, unknown> };
}

async function begin(
  socket: ControlSocket,
  method: string,
  path: string,
  body?: string | Buffer,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const asked = request({ socketPath: socket.path, method, path, agent: false }, resolve);
  asked.on("error", reject);
  asked.end(body);
  return await promise;
}

test("the socket is this user's alone and named by the host", async () => {
  await using socket = await open();
  assert.equal(socket.path, socketPath("NTEST"));
  assert.equal(lstatSync(socket.path).mode & 0o777, 0o600);
  assert.equal(lstatSync(join(socket.path, "..")).mode & 0o777, 0o700);
});

test("a folder that others could enter is closed to them", async () => {
  const folder = join(process.env["XDG_RUNTIME_DIR"] ?? "", "wasmlattice");
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  await using socket = await open();
  assert.ok(socket.path.startsWith(folder));
  assert.equal(lstatSync(folder).mode & 0o777, 0o700);
});

test("a folder that is a link to another is refused", async () => {
  const folder = join(process.env["XDG_RUNTIME_DIR"] ?? "", "wasmlattice");
  symlinkSync(root, folder);
  await assert.rejects(open(), { code: "PRECONDITION", message: /it is not a folder/ });
});

test("GET / lists the verbs", async () => {
  await using socket = await open();
  const { status, body } = await ask(socket, "GET", "/");
  assert.equal(status, 200);
  assert.equal(body["success"], true);
  assert.deepEqual((body["verbs"] as object[])[1], { name: "get.actor", summary: "one actor", reads: true });
});

test("a verb answers with its object and success", async () => {
  await using socket = await open();
  const { status, headers, body } = await ask(socket, "POST", "/v1/scale", '{"actor":"counter","instances":3}');
  assert.equal(status, 200);
  assert.equal(headers["content-type"], "application/json");
  assert.deepEqual(body, { success: true, actor: "counter", instances: 3 });
});

test("a verb that reads may be asked by GET, one that changes something may not", async () => {
  await using socket = await open();
  assert.deepEqual((await ask(socket, "GET", "/v1/get.actor?name=counter")).body, {
    success: true,
    actor: { name: "counter" },
  });
  const { status, headers, body } = await ask(socket, "GET", "/v1/scale?actor=counter&instances=3");
  assert.equal(status, 405);
  assert.equal(headers.allow, "POST");
  assert.equal(body["code"], "REQUEST_INVALID");
});

test("failures carry code, kind and hint, and the status of the catalogue", async () => {
  await using socket = await open({ bodyBytes: 100 });
  const cases: [string, string, string | undefined, number, string][] = [
    ["GET", "/v1/get.actor?name=nobody", undefined, 404, "ACTOR_ABSENT"],
    ["POST", "/v1/scale", '{"actor":"counter"}', 400, "REQUEST_INVALID"],
    ["POST", "/v1/scale", "{not json", 400, "REQUEST_INVALID"],
    ["POST", "/v1/scale", "[1]", 400, "REQUEST_INVALID"],
    ["POST", "/v1/nothing", "{}", 404, "VERB_UNKNOWN"],
    ["POST", "/v1/toString", "{}", 404, "VERB_UNKNOWN"],
    ["POST", "/v1/%ff", "{}", 404, "VERB_UNKNOWN"],
    ["GET", "/else", undefined, 404, "VERB_UNKNOWN"],
    ["POST", "/v1/scale", `{"actor":"${"x".repeat(100)}"}`, 413, "PAYLOAD_TOO_LARGE"],
  ];
  for (const [method, path, sent, status, code] of cases) {
    const answer = await ask(socket, method, path, sent);
    assert.deepEqual([answer.status, answer.body["code"]], [status, code], `${method} ${path}`);
    assert.equal(answer.body["success"], false);
    assert.equal(typeof answer.body["error"], "string");
  }
  assert.deepEqual((await ask(socket, "GET", "/v1/get.actor?name=nobody")).body, {
    success: false,
    error: "no actor nobody runs here",
    code: "ACTOR_ABSENT",
    kind: "absent",
    hint: "See what runs: lattice get actors.",
  });
});

test("a body beyond the bound is refused while it still comes, also when its length was not said", async () => {
  await using socket = await open({ bodyBytes: 1_000 });
  const asked = request({ socketPath: socket.path, method: "POST", path: "/v1/scale", agent: false });
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
  asked.on("response", resolve);
  asked.on("error", () => {});
  for (let n = 0; n < 20; n++) asked.write("x".repeat(100));
  assert.equal((await promise).statusCode, 413);
  asked.destroy();
});

test("a defect answers 500 and its place goes to the log, not to the asker", async () => {
  const reports: string[] = [];
  await using socket = await open({ report: (line) => reports.push(line) });
  const { status, body } = await ask(socket, "GET", "/v1/get.actor?name=bug");
  assert.equal(status, 500);
  assert.equal(body["code"], "VERB_FAILED");
  assert.doesNotMatch(JSON.stringify(body), /control-socket\.test/);
  assert.match(reports.join(""), /x is not a function[^]*control-socket\.test/);
});

test("a stream is one JSON object a line, and a failure in the middle is its last line", async () => {
  await using socket = await open();
  const response = await begin(socket, "GET", "/v1/ticks?fail_at=4");
  assert.equal(response.headers["content-type"], "application/x-ndjson");
  let all = "";
  for await (const piece of response as AsyncIterable<Buffer>) all += piece.toString();
  const lines = all
    .trimEnd()
    .split("\n")
    .map((each) => JSON.parse(each) as Record<string, unknown>);
  assert.deepEqual(
    lines.map((each) => each["n"] ?? each["code"]),
    [1, 2, 3, "STOPPED"],
  );
});

test("a stream goes no faster than its reader and ends when the reader is gone", async () => {
  await using socket = await open();
  const response = await begin(socket, "GET", "/v1/ticks?fail_at=0");
  response.pause();
  let before = -1;
  await until(async () => {
    const still = ticks.sent === before;
    before = ticks.sent;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return still && ticks.sent === before;
  });
  assert.ok(ticks.sent < 10_000, `${ticks.sent} lines for a reader that does not read`);
  assert.equal(ticks.running, 1);
  response.destroy();
  await until(() => ticks.running === 0);
});

test("stop ends streams and verbs that hear nothing, and removes the socket", async () => {
  const socket = await open();
  const streams = [await begin(socket, "POST", "/v1/deaf.stream"), await begin(socket, "GET", "/v1/ticks?fail_at=0")];
  const ends = streams.map(async (stream) => {
    for await (const _ of stream);
  });
  const deaf = assert.rejects(ask(socket, "POST", "/v1/deaf"), { code: "ECONNRESET" });
  await until(() => ticks.running === 1);
  await socket.stop();
  await socket.stop();
  await Promise.all([...ends, deaf]);
  assert.equal(existsSync(socket.path), false);
});

test("a second host of the same id is refused while the first lives", async () => {
  await using first = await open();
  await assert.rejects(open(), { code: "ALREADY_RUNNING", message: new RegExp(first.path) });
});

test("what killed hosts left is cleared, a living one and a file in the way are left alone", async () => {
  const living = await open({ id: "NLIVE" });
  const folder = join(living.path, "..");
  const dead = join(folder, "NDEAD.sock");
  const script = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script, dead]);
  assert.ok(lstatSync(dead).isSocket());
  utimesSync(dead, 0, 0);
  writeFileSync(join(folder, "NFILE.sock"), "precious");
  assert.deepEqual(
    (await listSockets())
      .filter(({ path }) => path.startsWith(root))
      .map(({ id, alive }) => [id, alive])
      .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    [
      ["NDEAD", false],
      ["NLIVE", true],
    ],
  );
  await using second = await open({ id: "NSECOND" });
  assert.ok(existsSync(second.path));
  assert.equal(existsSync(dead), false);
  assert.equal((await listSockets()).filter(({ path, alive }) => alive && path.startsWith(root)).length, 2);
  await assert.rejects(open({ id: "NFILE" }), { code: "PRECONDITION", message: /is not a socket/ });
  await living.stop();
});

test("a stale socket of the host's own id is replaced at once", async () => {
  const path = socketPath("NTEST");
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
  const script = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script, path]);
  await using socket = await open();
  assert.equal((await ask(socket, "GET", "/")).status, 200);
});

test("a path of one's own is used as it is; one too long is refused by name", async () => {
  const path = join(root, "own.sock");
  await using socket = await open({ path });
  assert.equal(socket.path, path);
  assert.equal(lstatSync(path).mode & 0o777, 0o600);
  await assert.rejects(open({ path: `/tmp/${"x".repeat(120)}.sock` }), {
    code: "OPTION_OUT_OF_RANGE",
    message: /controlSocket is 130 bytes long, it must be at most 103 bytes/,
  });
});

test("where the usual folder's path is too long for a socket, a short one is taken and found", async () => {
  process.env["XDG_RUNTIME_DIR"] = join(root, "x".repeat(100));
  await using socket = await open({ id: `NSHORT${process.pid}` });
  assert.ok(Buffer.byteLength(socket.path) <= 103);
  assert.ok((await listSockets()).some(({ path, alive }) => alive && path === socket.path));
});

test("a path taken by something that is no host of ours says so", async () => {
  const path = join(root, "busy.sock");
  const other = createServer().listen(path);
  await until(() => other.listening);
  await assert.rejects(open({ path }), { code: "ALREADY_RUNNING" });
  other.close();
});

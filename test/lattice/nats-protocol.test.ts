import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { decodeHeaders, encodeHeaders } from "../../lattice/nats/headers.ts";
import { ProtocolParser } from "../../lattice/nats/parser.ts";
import type { RawMessage } from "../../lattice/nats/parser.ts";
import { FakeNatsServer, greeting } from "../support/fake-nats-server.ts";
import { watchedConnection } from "../support/nats-connections.ts";
import { until } from "../support/until.ts";

/** What a parser tells, as lines. */
function told(chunks: readonly Buffer[]): string[] {
  const lines: string[] = [];
  const parser = new ProtocolParser({
    info: (json) => lines.push(`info ${json}`),
    ping: () => lines.push("ping"),
    pong: () => lines.push("pong"),
    error: (text) => lines.push(`error ${text}`),
    message: (message) => lines.push(shown(message)),
  });
  for (const chunk of chunks) parser.feed(chunk);
  return lines;
}

function shown(message: RawMessage): string {
  const { buffer, sid, subjectAt, subjectEnd, replyAt, replyEnd, headersAt, payloadAt, payloadEnd } = message;
  const part = (from: number, to: number): string => buffer.toString("latin1", from, to);
  return JSON.stringify([
    part(subjectAt, subjectEnd),
    sid,
    part(replyAt, replyEnd),
    part(headersAt, payloadAt),
    part(payloadAt, payloadEnd),
  ]);
}

const conversation = [
  `INFO {"version":"2.9.10","max_payload":10}\r\n`,
  "+OK\r\nPING\r\nPONG\r\n",
  "MSG a.b 1 5\r\nhello\r\n",
  "MSG a.b 22 _INBOX.x.1 0\r\n\r\n",
  "MSG  a.b\t3   2 \r\n\r\n\r\n",
  "HMSG h 4 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
  "HMSG h 5 r 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
  "-ERR 'Slow Consumer'\r\n",
].join("");

test("whatever the network cuts a conversation into, the same is read", () => {
  const whole = told([Buffer.from(conversation)]);
  assert.deepEqual(whole, [
    `info {"version":"2.9.10","max_payload":10}`,
    "ping",
    "pong",
    `["a.b",1,"","","hello"]`,
    `["a.b",22,"_INBOX.x.1","",""]`,
    `["a.b",3,"","","\\r\\n"]`,
    `["h",4,"","NATS/1.0\\r\\nA: b\\r\\n\\r\\n","hi"]`,
    `["h",5,"r","NATS/1.0 503\\r\\n\\r\\n",""]`,
    "error Slow Consumer",
  ]);
  const cuts = fc.array(fc.integer({ min: 0, max: conversation.length }), { maxLength: 60 });
  fc.assert(
    fc.property(cuts, (places) => {
      const borders = [0, ...places.toSorted((a, b) => a - b), conversation.length];
      const chunks = borders.slice(1).map((end, index) => Buffer.from(conversation.slice(borders[index], end)));
      assert.deepEqual(told(chunks), whole);
    }),
  );
  assert.deepEqual(told(Array.from(conversation, (letter) => Buffer.from(letter))), whole);
});

test("what is not the protocol is an error, never endless waiting or another message", () => {
  for (const wrong of [
    "HTTP/1.1 400 Bad Request\r\n",
    "SSH-2.0-OpenSSH\r\n",
    "MSG a 1\r\n",
    "MSG a b c d e f\r\n",
    "MSG a one 5\r\n",
    "MSG a 1 99999999999\r\n",
    "MSG a 1 -5\r\n",
    "HMSG a 1 9 5\r\n",
    "x".repeat(2 * 1024 * 1024),
  ])
    assert.throws(() => told([Buffer.from(wrong)]), Error, wrong.slice(0, 40));
});

test("headers come back as they were written, with what a server adds", () => {
  const value = fc.string().filter((text) => !/[\r\n\0]/.test(text) && text.trim() === text);
  const name = fc.stringMatching(/^[!-9;-~]{1,20}$/);
  fc.assert(
    fc.property(
      fc.dictionary(name, fc.array(value, { minLength: 1, maxLength: 3 }), { noNullPrototype: true }),
      (all) => {
        const headers = new Map(Object.entries(all));
        assert.deepEqual(decodeHeaders(encodeHeaders(headers)), { headers, status: undefined, description: "" });
      },
    ),
  );
  const { status, description, headers } = decodeHeaders(
    "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 3\r\n\r\n",
  );
  assert.deepEqual([status, description, headers.get("Nats-Last-Consumer")], [100, "Idle Heartbeat", ["3"]]);
});

test("who is too slow for the server is cut off, told why, and comes back", async () => {
  await using server = await FakeNatsServer.start();
  await using connection = await watchedConnection({ servers: server.url });
  await connection.connected();
  connection.bus.subscribe("t.>", () => {});
  connection.bus.subscribe("q", () => {}, { queue: "workers" });
  await connection.bus.flush();
  server.received = "";
  server.dismiss("-ERR 'Slow Consumer'\r\n");
  await until(() => /SUB t\.> \d+\r\nSUB q workers \d+\r\n/.test(server.received));
  assert.deepEqual(
    connection.problems.map(({ code, message }) => [code, message]),
    [["NATS_CUT", `the NATS server 127.0.0.1:${server.port} ended the connection: Slow Consumer`]],
  );
  await connection.connected();
  assert.equal(connection.describe().problem, undefined);
});

test("a larger or smaller limit counts from the moment the server says it", async () => {
  await using server = await FakeNatsServer.start({ greet: greeting({ max_payload: 100 }) });
  await using connection = await watchedConnection({ servers: server.url });
  await connection.connected();
  assert.equal(connection.bus.maxPayloadBytes, 100);
  server.say(greeting({ max_payload: 50 }));
  await until(() => connection.bus.maxPayloadBytes === 50);
  assert.throws(() => connection.bus.publish("t", new Uint8Array(51)), { code: "PAYLOAD_TOO_LARGE" });
});

test("a server that never answers, one that talks nonsense and one that greets wrongly are left for the next", async () => {
  await using silent = await FakeNatsServer.start({ pongs: false });
  await using strange = await FakeNatsServer.start({ greet: "HTTP/1.1 400 Bad Request\r\n" });
  await using wrong = await FakeNatsServer.start({ greet: "INFO {}\r\n" });
  await using good = await FakeNatsServer.start();
  const servers = [silent, strange, wrong, good].map(({ url }) => url);
  await using connection = await watchedConnection({ servers, connectTimeoutMs: 100 });
  await connection.connected();
  assert.equal(connection.describe().server, `127.0.0.1:${good.port}`);
});

test("nonsense in the middle of a conversation ends it, and another begins", async () => {
  await using server = await FakeNatsServer.start();
  await using connection = await watchedConnection({ servers: server.url });
  await connection.connected();
  server.say("MSG a 1 2 3 4 5\r\n");
  await until(() => server.connections === 2);
  await connection.connected();
  assert.match(connection.problems[0]?.message ?? "", /malformed/);
});

test("messages nobody asked for, and replies nobody waits for, are dropped", async () => {
  await using server = await FakeNatsServer.start();
  await using connection = await watchedConnection({ servers: server.url });
  await connection.connected();
  const asking = connection.bus.request("t", new Uint8Array(), { timeoutMs: 10_000 });
  const [, inbox, number] = await until(() => /PUB t (\S+\.)(\d+) 0\r\n/.exec(server.received));
  for (const subject of ["99", "x", "", "1x", "00000000000000000000000000"])
    server.say(`MSG ${inbox}${subject} 1 2\r\nno\r\n`);
  server.say(`MSG elsewhere 77 2\r\nno\r\nMSG ${inbox}${number} 1 3\r\nyes\r\nMSG ${inbox}${number} 1 5\r\nagain\r\n`);
  assert.equal(Buffer.from((await asking).payload).toString(), "yes");
});

test("a message that is slipped in before the server has greeted reaches nobody", async () => {
  const sids = [1, 2, 3, 4];
  const slipped = sids.map((sid) => `MSG a.b ${sid} 7\r\nslipped\r\n`).join("");
  await using server = await FakeNatsServer.start({ greet: greeting() + slipped });
  await using connection = await watchedConnection({ servers: server.url });
  const heard: string[] = [];
  connection.bus.subscribe("a.b", ({ payload }) => void heard.push(Buffer.from(payload).toString()));
  await connection.connected();
  for (const sid of sids) server.say(`MSG a.b ${sid} 5\r\nasked\r\n`);
  await until(() => heard.length > 0);
  assert.deepEqual(heard, ["asked"]);
});

test("a client that reads slower than it is written to is bounded too", async () => {
  await using server = await FakeNatsServer.start();
  await using connection = await watchedConnection({ servers: server.url, bufferBytes: 2_000_000 });
  await connection.connected();
  const payload = new Uint8Array(1_000_000);
  assert.throws(
    () => {
      for (let count = 0; count < 1_000; count++) connection.bus.publish("t", payload);
    },
    { code: "BUS_FULL" },
  );
});

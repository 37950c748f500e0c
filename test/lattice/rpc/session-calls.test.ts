import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { fail, KeyPair, nuid, SessionIdentity } from "../../../lattice/index.ts";
import type { BusMessage, RemoteCall } from "../../../lattice/index.ts";
import { Mac } from "../../../lattice/rpc/session/mac.ts";
import { decodeOpen, encodeWelcome } from "../../../lattice/rpc/session/session-frames.ts";
import { cluster, lattice, SessionHost, world } from "../../support/session-hosts.ts";
import { until } from "../../support/until.ts";

const M = "MBCFOPM6JW2APJLXJD3Z5O4CN7CPYJ2B4FTKLJUR5YR5MITIU7HD3WD5";
const V = "VDNF5QOTKTNDGA6LULYIS4JA5OOEITYMXMECW7NLD2XD5ATZQKGR6A4H";
const quick = { timeoutMs: 20_000 };

const call: RemoteCall = {
  origin: { kind: "actor", key: M, name: "Écho ☃", placement: "p1", era: "E3" },
  target: { kind: "provider", key: V, contractId: "wasmcloud:keyvalue", linkName: "default" },
  operation: "KeyValue.Get",
  payload: Buffer.from("payload"),
  budgetMs: 1_500,
  hops: 3,
  trace: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "a=1" },
};

/** Everything sent to a place, for those who listen in. */
function overhear(here: ReturnType<typeof world>, host: SessionHost): BusMessage[] {
  const heard: BusMessage[] = [];
  const spy = here.broker.connect();
  spy.subscribe(here.subjects.write("directed", host.end), (message) => void heard.push(message));
  return heard;
}

test("a call arrives as it was sent, with deadline, hops and trace, and its answer comes back", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  const answer = await a.caller.call(b.end, call, quick);
  assert.deepEqual(Buffer.from(answer), call.payload);
  const [{ from, ...ran } = undefined!] = b.ran;
  assert.deepEqual(from, a.end);
  assert.deepEqual({ ...ran, payload: Buffer.from(ran.payload) }, call);
});

test("every kind of origin and target travels", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  const calls: RemoteCall[] = [
    { ...call, trace: undefined, target: { kind: "actor", key: M } },
    { ...call, target: { kind: "actor", key: M, placement: "p2" } },
    { ...call, origin: { kind: "provider", key: V, contractId: "a:b", linkName: "x" }, payload: Buffer.of() },
    { ...call, origin: { kind: "operator", name: "someone" }, hops: 0 },
  ];
  for (const each of calls) await a.caller.call(b.end, each, quick);
  assert.deepEqual(
    b.ran.map((ran) => ({ ...ran, payload: Buffer.from(ran.payload) })),
    calls.map((each) => ({ ...each, from: a.end })),
  );
});

test("the first call asks for a stream, those at the same moment share it, later ones are one message each", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  const heard = overhear(here, b);
  await Promise.all(Array.from({ length: 5 }, async () => await a.caller.call(b.end, call, quick)));
  assert.equal(heard.length, 6);
  await a.caller.call(b.end, call, quick);
  assert.equal(heard.length, 7);
});

test("an error comes back with its code, kind and hint", async () => {
  const here = world();
  const handle = async (): Promise<Uint8Array> => {
    throw fail("QUEUE_FULL", "echo", 9);
  };
  const [a, b] = [new SessionHost(here), new SessionHost(here, { handle })];
  const { code, kind, hint, message } = fail("QUEUE_FULL", "echo", 9);
  await assert.rejects(a.caller.call(b.end, call, quick), { code, kind, hint, message });
  const thrower = new SessionHost(here, {
    handle: () => {
      throw new TypeError("x is not a function");
    },
  });
  await assert.rejects(a.caller.call(thrower.end, call, quick), { code: "VERB_FAILED" });
});

test("large payloads go through the object store both ways and leave nothing there", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  const payload = randomBytes(1_500_000);
  assert.ok(payload.equals(await a.caller.call(b.end, { ...call, payload }, quick)));
  assert.equal(here.blobs.shelf.size, 0);
});

test("a stored payload that was exchanged is refused before it is run", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  const put = here.blobs.put.bind(here.blobs);
  here.blobs.put = async (name, content) => await put(name, randomBytes(content.length));
  const payload = randomBytes(1_500_000);
  await assert.rejects(a.caller.call(b.end, { ...call, payload }, quick), { code: "BLOB_CORRUPT" });
  assert.equal(b.ran.length, 0);
  await until(() => here.blobs.shelf.size === 0);
});

test("a recorded call that is sent again is neither run nor answered", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  const heard = overhear(here, b);
  await a.caller.call(b.end, call, quick);
  const thief = here.broker.connect();
  const reply = `_INBOX.${nuid()}`;
  let answers = 0;
  thief.subscribe(reply, () => void answers++);
  thief.publish(here.subjects.write("directed", b.end), heard[1]!.payload, { reply });
  await until(() => b.refused.includes("replay"));
  await thief.flush();
  assert.equal(b.ran.length, 1);
  assert.equal(answers, 0);
});

test("a call with any byte changed is not run", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  const heard = overhear(here, b);
  await a.caller.call(b.end, call, quick);
  const recorded = heard[1]!.payload;
  const thief = here.broker.connect();
  for (let at = 0; at < recorded.length; at++) {
    const copy = Uint8Array.from(recorded);
    copy[at]! ^= 0x40;
    thief.publish(here.subjects.write("directed", b.end), copy);
  }
  await thief.flush();
  await a.caller.call(b.end, call, quick);
  assert.equal(b.ran.length, 2);
});

test("a call recorded on its way to one place holds at no other place and no other host", async () => {
  const here = world();
  const host = KeyPair.generate("server");
  const identity = SessionIdentity.create({ lattice, host, cluster, rpc: "session" });
  const [a, b] = [new SessionHost(here), new SessionHost(here, { identity, place: "0" })];
  const [sibling, other] = [new SessionHost(here, { identity, place: "1" }), new SessionHost(here)];
  const heard = overhear(here, b);
  for (const each of [b, sibling, other]) await a.caller.call(each.end, call, quick);
  const thief = here.broker.connect();
  for (const each of [sibling, other]) {
    thief.publish(here.subjects.write("directed", each.end), heard[1]!.payload);
    await until(() => each.refused.includes("tag"));
    assert.equal(each.ran.length, 1);
  }
});

test("a place that was started again asks for the call once more, and runs it once", async () => {
  const here = world();
  const identity = SessionIdentity.create({ lattice, host: KeyPair.generate("server"), cluster, rpc: "session" });
  const [a, b] = [new SessionHost(here), new SessionHost(here, { identity })];
  await a.caller.call(b.end, call, quick);
  await b.bus.close();
  const again = new SessionHost(here, { identity });
  again.hellos.accept(a.identity.hello());
  await a.caller.call(b.end, call, quick);
  assert.deepEqual([b.ran.length, again.ran.length], [1, 1]);
  assert.deepEqual(again.refused, ["stream"]);
});

test("calls that were many under way to a place that was started again are all run, each once", async () => {
  const here = world();
  const identity = SessionIdentity.create({ lattice, host: KeyPair.generate("server"), cluster, rpc: "session" });
  const [a, b] = [new SessionHost(here), new SessionHost(here, { identity })];
  await a.caller.call(b.end, call, quick);
  await b.bus.close();
  const again = new SessionHost(here, { identity });
  again.hellos.accept(a.identity.hello());
  const payloads = Array.from({ length: 64 }, (_, at) => Buffer.of(at));
  const answers = await Promise.all(payloads.map((payload) => a.caller.call(b.end, { ...call, payload }, quick)));
  assert.deepEqual(
    answers.map((answer) => answer[0]),
    payloads.map(([at]) => at),
  );
  assert.equal(again.ran.length, 64);
});

test("a caller that was started again has streams of its own; its old calls stay refused", async () => {
  const here = world();
  const identity = SessionIdentity.create({ lattice, host: KeyPair.generate("server"), cluster, rpc: "session" });
  const [a, b] = [new SessionHost(here, { identity }), new SessionHost(here)];
  const heard = overhear(here, b);
  await a.caller.call(b.end, call, quick);
  const recorded = heard[1]!.payload;
  await a.bus.close();
  for (let round = 0; round < 3; round++) {
    const again = new SessionHost(here, { identity });
    await again.caller.call(b.end, call, quick);
    await again.bus.close();
    here.broker.connect().publish(here.subjects.write("directed", b.end), recorded);
  }
  await until(() => b.refused.length === 3);
  assert.equal(b.ran.length, 4);
});

test("a host started again under its key fails one call clearly, then is taken up again", async () => {
  const here = world();
  const host = KeyPair.generate("server");
  const [a, b] = [new SessionHost(here), new SessionHost(here, { host })];
  await a.caller.call(b.end, call, quick);
  await b.bus.close();
  const again = new SessionHost(here, { host });
  await assert.rejects(a.caller.call(b.end, call, quick), { code: "SESSION_LOST" });
  assert.equal(again.ran.length, 0);
  await a.caller.call(b.end, call, quick);
  assert.equal(again.ran.length, 1);
});

test("the new hello of a host that was started again spares even that call", async () => {
  const here = world();
  const host = KeyPair.generate("server");
  const [a, b] = [new SessionHost(here), new SessionHost(here, { host })];
  await a.caller.call(b.end, call, quick);
  await b.bus.close();
  const again = new SessionHost(here, { host });
  a.hellos.accept(again.identity.hello());
  await a.caller.call(b.end, call, quick);
  assert.equal(again.ran.length, 1);
});

test("hosts of two clusters do not talk, and the refusal names the key", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here, { cluster: KeyPair.generate("cluster") })];
  await assert.rejects(a.caller.call(b.end, call, quick), { code: "SESSION_REFUSED" });
  assert.deepEqual(b.refused, ["hello refused"]);
  const tolerant = new SessionHost(here, {
    cluster: KeyPair.generate("cluster"),
    issuers: [cluster.publicKey],
  });
  await assert.rejects(a.caller.call(tolerant.end, call, quick), { code: "HELLO_REFUSED" });
  assert.equal(b.ran.length + tolerant.ran.length, 0);
});

test("an answer that another writes proves nothing", async () => {
  const here = world();
  const never = Promise.withResolvers<Uint8Array>();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  await a.caller.call(b.end, call, quick);
  const slow = new SessionHost(here, { handle: async () => await never.promise });
  const heard = overhear(here, slow);
  const other = a.caller.call(slow.end, call, quick);
  await until(() => slow.ran.length === 1);
  heard[1]!.respond(Buffer.from([0xc1, 4, ...randomBytes(60)]));
  await assert.rejects(other, { code: "SESSION_LOST" });
  never.resolve(Buffer.of());
});

test("whoever shows the public hello of another host cannot open a conversation in its name", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  await b.bus.close();
  const thief = here.broker.connect();
  const seen: number[] = [];
  thief.subscribe(here.subjects.write("directed", b.end), (message) => {
    seen.push(message.payload.length);
    const { challenge } = decodeOpen(message.payload);
    const welcome = { challenge, stream: randomBytes(8), hello: b.identity.hello() };
    message.respond(encodeWelcome(welcome, new Mac(randomBytes(32))));
  });
  await assert.rejects(a.caller.call(b.end, call, quick), { code: "SESSION_REFUSED", message: /tag does not hold/ });
  assert.equal(seen.length, 1, "the call itself was never sent");
});

test("nobody there is told at once; silence ends with the time of the call", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  await b.bus.close();
  await assert.rejects(a.caller.call(b.end, call, quick), { code: "NO_RESPONDERS" });
  const mute = here.broker.connect();
  mute.subscribe(here.subjects.write("directed", b.end), () => undefined);
  await assert.rejects(a.caller.call(b.end, call, { timeoutMs: 20 }), { code: "RPC_TIMEOUT" });
});

test("what is no frame of a session is left to others; broken frames hurt nobody", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  const message = (payload: Uint8Array): BusMessage => ({
    subject: "s",
    payload,
    headers: new Map(),
    reply: undefined,
    respond: () => true,
  });
  assert.equal(b.receiver.receive(message(Buffer.from([0x89, 1]))), false);
  assert.equal(b.receiver.receive(message(Buffer.of())), false);
  for (let round = 0; round < 2_000; round++)
    assert.equal(b.receiver.receive(message(Buffer.from([0xc1, 1 + (round % 6), ...randomBytes(round % 200)]))), true);
  await a.caller.call(b.end, call, quick);
  assert.equal(b.ran.length, 1);
});

test("a conversation that one caller has no more time for is still there for those who have", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  const receive = b.receiver.receive.bind(b.receiver);
  const held: BusMessage[] = [];
  b.receiver.receive = (message) => held.push(message) > 0;
  const hasty = a.caller.call(b.end, call, { timeoutMs: 30 });
  const patient = a.caller.call(b.end, call, { timeoutMs: 60_000 });
  await assert.rejects(hasty, { code: "RPC_TIMEOUT" });
  b.receiver.receive = receive;
  for (const message of held) receive(message);
  assert.deepEqual(Buffer.from(await patient), call.payload);
  assert.equal(b.ran.length, 1);
});

test("an answer that cannot be sent is counted, and harms nobody", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here, { handle: async ({ payload }) => payload })];
  await a.caller.call(b.end, call, quick);
  const receive = b.receiver.receive.bind(b.receiver);
  b.receiver.receive = ({ subject, payload, headers }) =>
    receive({
      subject,
      payload,
      headers,
      reply: "nobody",
      respond: () => {
        throw fail("BUS_FULL", "127.0.0.1:4222", 1);
      },
    });
  const unheard: unknown[] = [];
  const note = (reason: unknown): void => void unheard.push(reason);
  process.on("unhandledRejection", note);
  try {
    await assert.rejects(a.caller.call(b.end, call, { timeoutMs: 100 }), { code: "RPC_TIMEOUT" });
    await until(() => b.refused.includes("unanswered"));
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off("unhandledRejection", note);
  }
  assert.deepEqual(unheard, []);
});

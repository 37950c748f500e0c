import assert from "node:assert/strict";
import { test } from "node:test";
import { startHost } from "../../host/index.ts";
import { askVerb, followVerb } from "../../host/membership/verb-client.ts";
import { jobHeader } from "../../host/membership/jobs.ts";
import { KeyPair, memoryConnection, MemoryServer, Subjects } from "../../lattice/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { until } from "../support/until.ts";

const subjects = new Subjects("default");

async function lattice(options: Parameters<typeof startHost>[0] = {}) {
  const server = new MemoryServer();
  const host = await startHost({ connection: memoryConnection(server), logLevel: "error", ...options });
  const { bus } = memoryConnection(server);
  return {
    host,
    bus,
    ask: (verb: string, params: object = {}) => askVerb(bus, subjects, host.id, verb, params, 20_000),
    [Symbol.asyncDispose]: () => host.stop(),
  };
}

void test("every verb of the control socket answers over the lattice, with its own errors", async () => {
  await using world = await lattice();
  const { inventories } = (await world.ask("get.inventory")) as { inventories: { host_id: string }[] };
  assert.equal(inventories[0]!.host_id, world.host.id);
  await assert.rejects(world.ask("get.nothing"), { code: "VERB_UNKNOWN" });
  await assert.rejects(world.ask("call", { target: "nobody", operation: "x" }), { code: "ACTOR_ABSENT" });
  await assert.rejects(world.ask("scale", { target: "x", instances: -1 }), { code: "REQUEST_INVALID" });
  const nobody = KeyPair.generate("server").publicKey;
  await assert.rejects(askVerb(world.bus, subjects, nobody, "version", {}), { code: "HOST_ABSENT" });
});

void test("no verb that comes over the lattice reads a file of the host", async () => {
  await using world = await lattice();
  await assert.rejects(world.ask("start.actor", { reference: "file:///etc/hostname" }), { code: "REFERENCE_REFUSED" });
  await assert.rejects(world.ask("start.actor", { reference: "/etc/hostname" }), { code: "REFERENCE_UNKNOWN" });
  await world.host.startProvider("builtin:keyvalue-memory");
  for (const reference of ["file:///nowhere/of.par", "/nowhere/of.par"]) {
    await assert.rejects(world.ask("start.provider", { reference }), { code: "REFERENCE_UNKNOWN" });
    await assert.rejects(world.ask("swap", { target: "keyvalue", reference }), { code: "REFERENCE_UNKNOWN" });
  }
});

void test("a host that opted in to files opens only what is written as one", async () => {
  await using world = await lattice({ allowFiles: true });
  await assert.rejects(world.ask("start.provider", { reference: "file:///nowhere/of.par" }), { code: "FILE_ABSENT" });
  await assert.rejects(world.ask("start.provider", { reference: "/nowhere/of.par" }), { code: "REFERENCE_UNKNOWN" });
});

void test("a host that is only to be read refuses changes, one that is closed answers nothing", async () => {
  await using reading = await lattice({ ctl: "read" });
  await reading.ask("get.hosts");
  await assert.rejects(reading.ask("start.provider", { reference: "builtin:keyvalue-memory" }), {
    code: "CONTROL_REFUSED",
  });
  const refusal = await reading.bus.request(`wasmbus.ctl.default.cmd.${reading.host.id}.stop`, Buffer.from("{}"), {
    timeoutMs: 20_000,
  });
  assert.match(Buffer.from(refusal.payload).toString(), /^\{"accepted":false,"error":".*takes no changes/);
  assert.equal(reading.host.state, "running");
  for (const subject of ["auction.actor", "linkdefs.put"])
    await assert.rejects(reading.bus.request(`wasmbus.ctl.default.${subject}`, Buffer.from("{}"), { timeoutMs: 500 }), {
      code: "NO_RESPONDERS",
    });
  await using closed = await lattice({ ctl: "off" });
  await assert.rejects(closed.ask("get.hosts"), { code: "HOST_ABSENT" });
  await assert.rejects(closed.bus.request("wasmbus.ctl.default.ping.hosts", Buffer.from(""), { timeoutMs: 500 }), {
    code: "NO_RESPONDERS",
  });
});

void test("a host is stopped only by whoever names it", async () => {
  await using world = await lattice();
  const stop = async (body: object) => {
    const payload = Buffer.from(JSON.stringify(body));
    const subject = `wasmbus.ctl.default.cmd.${world.host.id}.stop`;
    return Buffer.from((await world.bus.request(subject, payload, { timeoutMs: 15_000 })).payload).toString();
  };
  for (const body of [{}, { host_id: "" }, { host_id: `N${"A".repeat(55)}` }])
    assert.match(await stop(body), /^\{"accepted":false,"error":".*host_id must be /);
  assert.equal(world.host.state, "running");
  assert.equal(await stop({ host_id: world.host.id, timeout: 5 }), '{"accepted":true,"error":""}');
  await until(() => world.host.state === "stopped");
});

void test("whoever stops a host may say how long calls in flight have", async () => {
  const parting = async (stop: (world: Awaited<ReturnType<typeof lattice>>) => Promise<unknown>) => {
    const world = await lattice({ limits: { drainMs: 600_000, callTimeoutMs: 900_000 } });
    const { promise: entered, resolve: enter } = Promise.withResolvers<void>();
    const actor = await world.host.startActor(edgeActor());
    const store = await world.host.startProvider({
      contractId: "wasmcloud:keyvalue",
      name: "store",
      handle: () => {
        enter();
        return new Promise<Uint8Array>(() => {});
      },
    });
    await world.host.link(actor, store);
    const call = world.host.call(actor, "Call", askHost("wasmcloud:keyvalue")).catch(() => {});
    await entered;
    await stop(world);
    await until(() => world.host.state === "stopped");
    await call;
  };
  await parting(async ({ bus, host }) => {
    const body = Buffer.from(JSON.stringify({ host_id: host.id, timeout: 100 }));
    await bus.request(`wasmbus.ctl.default.cmd.${host.id}.stop`, body, { timeoutMs: 15_000 });
  });
  await parting(({ ask }) => ask("stop.host", { timeoutMs: 100 }));
});

void test("long work is answered at once with a job, which is followed to its end", async () => {
  await using world = await lattice();
  const begin = async (verb: string, params: object) => {
    const subject = subjects.write("verb", { host: world.host.id, verb });
    const headers = new Map([[jobHeader, ["1"]]]);
    const { payload } = await world.bus.request(subject, Buffer.from(JSON.stringify(params)), {
      timeoutMs: 20_000,
      headers,
    });
    return (JSON.parse(Buffer.from(payload).toString()) as { job: { id: string; state: string } }).job;
  };
  const started = await begin("start.provider", { reference: "builtin:keyvalue-memory" });
  assert.equal(started.state, "running");
  const done = await until(async () => {
    const { job } = (await world.ask("job", { id: started.id })) as { job: { state: string; result?: object } };
    return job.state !== "running" && job;
  });
  assert.equal(done.state, "done");
  assert.ok(done.result);
  const failing = await begin("start.provider", { reference: "builtin:nothing" });
  const seen: string[] = [];
  const signal = new AbortController().signal;
  const parts = followVerb(
    world.bus,
    subjects,
    world.host.id,
    "job",
    { id: failing.id, follow: true },
    { signal, inbox: "_INBOX.job" },
  );
  for await (const part of parts) seen.push(String(part["state"]));
  assert.equal(seen.at(-1), "failed");
});

void test("what goes on is told part by part, until the asker has heard enough", async () => {
  await using world = await lattice();
  const controller = new AbortController();
  const seen: unknown[] = [];
  const parts = followVerb(
    world.bus,
    subjects,
    world.host.id,
    "get.events",
    { follow: true },
    { signal: controller.signal, inbox: "_INBOX.events" },
  );
  const reading = (async () => {
    for await (const { type } of parts) seen.push(type);
  })();
  await until(() => seen.includes("host_started"));
  world.host.labels.put("room", "1");
  await until(() => seen.includes("labels_changed"));
  controller.abort();
  await reading;
  world.host.labels.put("room", "2");
  await world.ask("get.hosts");
  assert.equal(seen.filter((type) => type === "labels_changed").length, 1);
});

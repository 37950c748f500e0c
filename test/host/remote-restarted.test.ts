import assert from "node:assert/strict";
import { test } from "node:test";
import { type Host, type HostOptions, startHost } from "../../host/index.ts";
import { KeyPair, type LatticeConnection, memoryConnection, MemoryServer } from "../../lattice/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { codeOf, Gate } from "../support/journey.ts";
import { until } from "../support/until.ts";

const patienceMs = 60_000;
/** What nobody waits for here: it would be seen. */
const longMs = 120_000;

for (const rpc of ["session", "wasmcloud"] as const)
  void test(`calls to a host that was killed and started again under its key fail at once, later ones reach it, as ${rpc}`, async () => {
    const server = new MemoryServer();
    const clusterSeed = KeyPair.generate("cluster").seed;
    const { seed } = KeyPair.generate("server");
    const module = edgeActor({ name: "target" });
    const gates: Gate[] = [];
    const hosts: Host[] = [];
    const connections: LatticeConnection[] = [];
    const connect = () => {
      connections.push(memoryConnection(server));
      return connections.at(-1)!;
    };
    const host = (options: HostOptions) =>
      startHost({
        connection: connect(),
        clusterSeed,
        rpc,
        // Silence is not what tells of it.
        presenceMs: longMs,
        limits: { rpcTimeoutMs: longMs, callTimeoutMs: longMs, drainMs: 100 },
        logLevel: "silent",
        ...options,
      });
    const there = async () => {
      const connection = connect();
      const started = await host({ hostSeed: seed, connection });
      hosts.push(started);
      const gate = new Gate();
      gates.push(gate);
      const actor = await started.startActor(module);
      await started.link(actor, await started.startProvider(gate));
      return { host: started, gate, connection };
    };
    await using _ended = {
      async [Symbol.asyncDispose]() {
        for (const gate of gates) gate.open();
        await Promise.all(hosts.map((each) => each.stop()));
        for (const connection of connections) await connection.close();
      },
    };
    const here = await host({});
    hosts.push(here);
    const before = await there();
    await until(() => here.member?.peers[0]?.actors.length === 1, patienceMs);
    const call = () =>
      codeOf(here.call(module.claims.key, "Call", askHost("wasmcloud:keyvalue"), { timeoutMs: longMs }));
    const calls = [call(), call(), call()];
    await until(() => before.gate.held === 3, patienceMs);

    await before.host.member!.disappear();
    await before.connection.close();
    const after = await there();
    assert.deepEqual(await Promise.all(calls), ["HOST_LOST", "HOST_LOST", "HOST_LOST"]);
    const echo = () => codeOf(here.call(module.claims.key, "Echo", Buffer.from("hi"), { timeoutMs: longMs }));
    await until(async () => (await echo()) === undefined, patienceMs);

    // What it announces from now on ends nothing.
    const held = call();
    await until(() => after.gate.held === 1, patienceMs);
    after.host.labels.put("zone", "b");
    await until(() => here.member?.peers[0]?.labels["zone"] === "b", patienceMs);
    after.gate.open();
    assert.equal(await held, undefined);
  });

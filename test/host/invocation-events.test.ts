import assert from "node:assert/strict";
import { test } from "node:test";
import { startHost } from "../../host/index.ts";
import { KeyPair, memoryConnection, MemoryServer } from "../../lattice/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { until } from "../support/until.ts";

interface Told {
  readonly specversion: string;
  readonly type: string;
  readonly source: string;
  readonly data: Readonly<Record<string, unknown>>;
}

void test("hosts that are asked to tell one event for every call, with both ends, by the host where it began", async () => {
  const server = new MemoryServer();
  const clusterSeed = KeyPair.generate("cluster").seed;
  const common = { clusterSeed, logLevel: "error", presenceMs: 200 } as const;
  await using a = await startHost({ connection: memoryConnection(server), ...common, invocationEvents: true });
  await using b = await startHost({ connection: memoryConnection(server), ...common, invocationEvents: true });
  const all: Told[] = [];
  const { bus } = memoryConnection(server);
  bus.subscribe("wasmbus.rpcevt.default", ({ payload }) => {
    all.push(JSON.parse(Buffer.from(payload).toString()) as Told);
  });
  const actor = await a.startActor(edgeActor());
  const store = await b.startProvider({
    key: KeyPair.generate("service").publicKey,
    contractId: "wasmcloud:keyvalue",
    name: "store",
    handle: ({ operation }) => {
      if (operation === "Fail") throw new Error("secret text");
      return new Uint8Array(3);
    },
  });
  await b.link(actor.id, store);
  await until(() => a.wanted.links.size === 1);
  const request = (operation: string, payload = "12345") => askHost("wasmcloud:keyvalue", operation, payload);
  const call = (operation: string, payload?: string) => a.call(actor, "Call", request(operation, payload));
  await until(() => b.fleet.caller.tables.peers.get(a.id) !== undefined);
  // Until the provider is known there, which is told as well.
  await until(
    async () =>
      !Buffer.from(await call("Warm", ""))
        .toString()
        .startsWith("error"),
    20_000,
  );
  await call("Get");
  await call("Fail");
  await call("Finally", "");
  await until(() => all.some(({ data }) => data["bytes"] === request("Finally", "").length));
  const sizes = [5, request("Get").length, request("Fail").length];
  const told = all.filter(({ data }) => sizes.includes(Number(data["bytes"])));
  const entity = { public_key: actor.id, contract_id: "", link_name: "" };
  const provider = { public_key: store.id, contract_id: "wasmcloud:keyvalue", link_name: "default" };
  const nobody = { public_key: "", contract_id: "", link_name: "" };
  const [get, asked, failed, last] = told;
  assert.deepEqual(
    [get, asked].map((each) => [each?.specversion, each?.type, each?.source, each?.data]),
    [
      [
        "1.0",
        "com.wasmcloud.lattice.invocation_succeeded",
        a.id,
        { source: entity, dest: provider, operation: "Get", bytes: 5 },
      ],
      [
        "1.0",
        "com.wasmcloud.lattice.invocation_succeeded",
        a.id,
        {
          source: nobody,
          dest: entity,
          operation: "Call",
          bytes: request("Get").length,
        },
      ],
    ],
  );
  assert.deepEqual(
    [failed?.type, failed?.data["error"], failed?.data["dest"]],
    ["com.wasmcloud.lattice.invocation_failed", "PROVIDER_FAILED", provider],
  );
  assert.equal(last?.data["operation"], "Call");
  assert.doesNotMatch(JSON.stringify(all), /secret text|12345/);
  assert.equal(told.length, 4);
  assert.ok(
    all.every(({ source }) => source === a.id),
    "the host that was asked leaves it to the one that asked",
  );
});

void test("a host that was not asked to tell publishes nothing, and its engines look at no call", async () => {
  const server = new MemoryServer();
  await using host = await startHost({ connection: memoryConnection(server), logLevel: "error" });
  const { bus } = memoryConnection(server);
  let told = 0;
  bus.subscribe("wasmbus.rpcevt.>", () => void told++);
  const actor = await host.startActor(edgeActor());
  await host.call(actor, "Call", askHost("wasmcloud:keyvalue")).catch(() => {});
  assert.equal(host.fleet.caller.dispatch.spy, undefined);
  assert.equal(told, 0);
});

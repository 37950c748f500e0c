import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { example } from "../support/examples.ts";
import { LatticeProcesses } from "../support/lattice-processes.ts";
import { natsSkip } from "../support/nats-server.ts";

describe("configuring a lattice from elsewhere", { skip: natsSkip() }, () => {
  let world: LatticeProcesses;
  let [front, back, backName] = ["", "", ""];

  before(async () => {
    world = await LatticeProcesses.start(["--engines", "1"], ["--engines", "0"]);
    [front = "", back = ""] = world.hosts;
    const hosts = await world.rows("hosts", "get", "hosts");
    backName = String(hosts.find(({ id }) => id === back)?.friendly_name);
    await world.json("start", "actor", example("kvcounter-rust"), "--host-id", back);
    await world.json("start", "provider", "builtin:keyvalue-memory", "--host-id", front);
  });
  after(() => world[Symbol.asyncDispose]());

  test("a named configuration reaches links whose provider runs on any host", async () => {
    const at = ["--host-id", back];
    const links = () => world.rows("links", "get", "links", "--host-id", front);
    await world.json("config", "put", "store", "prefix=one:", "token=secret:env:LATTICE_SECRET_NONE", ...at);
    const link = ["link", "put", "kvcounter", "wasmcloud:keyvalue", "--config-name", "store", ...at];
    const refused = await world.run(...link);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /LATTICE_SECRET_NONE/, "a secret is looked for where the provider runs");
    await world.json("config", "put", "store", "prefix=one:", ...at);
    await world.json(...link);
    const { configuration } = await world.json("config", "get", "store", "--host-id", front);
    const { values, links: users } = configuration as { values: object; links: object[] };
    assert.deepEqual([values, users.length], [{ prefix: "one:" }, 1]);

    const broken = await world.run("config", "put", "store", "token=secret:env:LATTICE_SECRET_NONE", ...at);
    assert.match(broken.stderr, /stays as it was: .*LATTICE_SECRET_NONE/);
    assert.match(String((await links())[0]?.problem), /LATTICE_SECRET_NONE/);
    assert.equal((await world.run("config", "del", "store", ...at)).code, 6);
    await world.json("config", "put", "store", "prefix=two:", ...at);
    assert.equal((await links())[0]?.problem, undefined);

    assert.match((await world.run("link", "del", "kvcounter", "keyvalue", ...at)).stdout, /Took back/);
    assert.match((await world.run("link", "del", "kvcounter", "keyvalue", ...at)).stdout, /There was no link/);
    await world.json("config", "del", "store", ...at);
    assert.equal((await world.run("config", "get", "store", ...at)).code, 3);
    assert.equal(
      (await world.run("config", "put", "store", ...at)).code,
      2,
      "nothing to set is not meant as nothing set",
    );
  });

  test("a link put at any host answers with the URL that its provider serves elsewhere", async () => {
    await world.json("start", "provider", "builtin:httpserver", "--host-id", back);
    const put = ["link", "put", "kvcounter", "wasmcloud:httpserver", "address=127.0.0.1:0", "--host-id", front];
    const { urls } = await world.json(...put);
    assert.match(String(urls), /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.match((await world.run(...put)).stdout, /http:\/\/127\.0\.0\.1:\d+/);
  });

  test("labels of a host elsewhere are set and taken back by its name", async () => {
    await world.json("label", "put", backName, "rack=r1", "zone=b");
    await world.json("label", "del", backName, "rack");
    const hosts = await world.rows("hosts", "get", "hosts");
    const labels = (id: string) => hosts.find((host) => host.id === id)?.labels as Record<string, string>;
    assert.deepEqual([labels(back).zone, labels(back).rack, labels(front).zone], ["b", undefined, undefined]);
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { documentOf, failureOf, Home, ready } from "../support/cli.ts";
import { example } from "../support/examples.ts";
import { LatticeProcesses } from "../support/lattice-processes.ts";
import { natsSkip } from "../support/nats-server.ts";

describe("where something is started", () => {
  test("of the hosts of this machine the one with the labels and the least to do takes it, and that is said", async () => {
    await using home = new Home();
    const up = async (zone: string) =>
      (await ready(home.start(["up", "--no-nats", "--engines", "0", "--label", `zone=${zone}`, "-o", "json"]), 30_000))
        .host.id;
    // The one started last stands in front where nothing else decides.
    const [b, a] = [await up("b"), await up("a")];
    const start = (...words: string[]) => home.run(["start", ...words, "-o", "json"]);
    const actorsOf = async (host: string) =>
      (documentOf(await home.run(["get", "actors", "--host-id", host, "-o", "json"])).actors as { name: string }[]).map(
        ({ name }) => name,
      );

    const placed = await start("actor", example("kvcounter-rust"), "-c", "zone=b");
    documentOf(placed);
    assert.match(placed.stderr, new RegExp(`2 hosts run here; took ${b}, .*choose with --host-id`));
    assert.deepEqual([await actorsOf(a), await actorsOf(b)], [[], ["Key-value counter"]]);
    documentOf(await start("provider", "builtin:numbergen", "-c", "zone=b"));
    documentOf(await start("actor", example("echo-c"), "--annotation", "x=1"));
    assert.equal((await actorsOf(a)).length, 1, "a has the least to do");
    documentOf(await start("provider", "builtin:numbergen"));
    const providers = documentOf(await home.run(["get", "providers", "--host-id", a, "-o", "json"])).providers;
    assert.equal((providers as object[]).length, 1, "b runs it already");

    const nowhere = await start("actor", example("echo-c"), "-c", "zone=c");
    assert.deepEqual([nowhere.code, failureOf(nowhere).code], [3, "NO_HOST_FITS"]);
    assert.match(String(failureOf(nowhere).error), /zone=c/);
    const twice = await start("provider", "builtin:numbergen");
    assert.equal(twice.code, 6, "a host refuses it, and says why");
    const chosen = await start("actor", example("echo-c"), "-c", "zone=c", "--host-id", b);
    assert.equal(chosen.code, 0, "who names a host knows its labels");
  });

  test("of the hosts of a lattice the one that carries the labels takes it", { skip: natsSkip() }, async () => {
    await using world = await LatticeProcesses.start(
      ["--engines", "0", "--label", "zone=a"],
      ["--engines", "0", "--label", "zone=b"],
    );
    const [, b = ""] = world.hosts;
    await world.json("start", "actor", example("kvcounter-rust"), "-c", "zone=b");
    const rows = await world.rows("actors", "get", "actors", "--host-id", b);
    assert.deepEqual(
      rows.map(({ name }) => name),
      ["Key-value counter"],
    );
    const nowhere = await world.run("start", "actor", example("kvcounter-rust"), "-c", "zone=c", "-o", "json");
    assert.deepEqual([nowhere.code, failureOf(nowhere).code], [3, "NO_HOST_FITS"]);
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Document, HostClient } from "../../cli/client.ts";
import type { FoundHost } from "../../cli/discovery.ts";
import { actorKeyOn } from "../../cli/things.ts";
import { fail } from "../../lattice/index.ts";

/** A host that answers for its inventory alone. */
function hostWith(id: string, actors: readonly Document[] | Error): FoundHost {
  const client = {
    where: id,
    call: async () => {
      if (actors instanceof Error) throw actors;
      return { inventories: [{ host_id: id, actors, providers: [] }] };
    },
  } as Partial<HostClient> as HostClient;
  return { id, client };
}

const counter = { id: "MCOUNTER", name: "Counter", call_alias: "demo/count" };
const keyvalue = { id: "MKEYVALUE", name: "Key-value counter" };

describe("an actor on several hosts", () => {
  test("a whole name on one host goes before a word of another actor's name elsewhere", async () => {
    const hosts = [hostWith("NA", [keyvalue]), hostWith("NB", [counter])];
    assert.equal(await actorKeyOn(hosts, "Counter"), "MCOUNTER");
    assert.equal(await actorKeyOn(hosts, "demo/count"), "MCOUNTER");
    assert.equal(await actorKeyOn(hosts, "key"), "MKEYVALUE");
    assert.equal(await actorKeyOn(hosts, "nobody"), undefined);
  });

  test("the beginning of two names on two hosts means neither", async () => {
    const hosts = [hostWith("NA", [counter]), hostWith("NB", [{ id: "MCOURT", name: "Court" }])];
    await assert.rejects(actorKeyOn(hosts, "cou"), { code: "ACTOR_AMBIGUOUS", message: /MCOUNTER.*MCOURT/ });
    assert.equal(await actorKeyOn([hostWith("NA", [counter]), hostWith("NB", [counter])], "cou"), "MCOUNTER");
  });

  test("a host that does not answer keeps no other from being found, unless none answers", async () => {
    const silent = hostWith("NS", fail("HOST_ABSENT", "here"));
    assert.equal(await actorKeyOn([silent, hostWith("NB", [counter])], "Counter"), "MCOUNTER");
    await assert.rejects(actorKeyOn([silent, silent], "Counter"), { code: "HOST_ABSENT" });
  });
});

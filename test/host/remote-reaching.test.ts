import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyPair } from "../../lattice/index.ts";
import { calling, obedient } from "../support/actors.ts";
import { edgeActor } from "../support/edge.ts";
import { JoinedHosts } from "../support/joined-hosts.ts";
import { codeOf } from "../support/journey.ts";
import { until } from "../support/until.ts";

const hello = new TextEncoder().encode("hello");

test("an actor whose hosts do not answer is missed for now, one that nobody announces is absent", async () => {
  await using world = new JoinedHosts();
  const [here, there] = [await world.join(), await world.join()];
  const target = await there.startActor(edgeActor({ name: "target" }));
  await world.meet();
  await there.stop();
  await assert.rejects(here.call(target.id, "Echo", hello), { code: "HOSTS_UNREACHED", kind: "unavailable" });
  await world.part(there);
  assert.equal(await codeOf(here.call(target.id, "Echo", hello)), "ACTOR_ABSENT");
});

test("a host that was started again is called before it has announced itself anew", async () => {
  await using world = new JoinedHosts();
  const key = KeyPair.generate("server");
  const [here, there] = [await world.join({ rpc: "session" }), await world.join({ rpc: "session", key })];
  const module = edgeActor({ name: "target" });
  await there.startActor(module);
  const ours = await here.startActor(edgeActor({ name: "ours" }));
  await world.meet();
  await there.stop();
  world.hosts.splice(world.hosts.indexOf(there), 1);
  // Hellos tell seconds.
  const second = Math.floor(Date.now() / 1_000);
  await until(() => Math.floor(Date.now() / 1_000) > second);
  const again = await world.join({ rpc: "session", key });
  await again.startActor(module);
  await again.fleet.apply({ type: "put-peer", peer: await world.presence(here) });
  assert.equal(Buffer.from(await again.call(ours.id, "Echo", hello)).toString(), "hello");
  assert.equal(Buffer.from(await here.call(module.claims.key, "Echo", hello)).toString(), "hello");
});

test("of two actors with one call alias on two hosts the first to have it is meant by both", async () => {
  await using world = new JoinedHosts();
  const [a, b] = [await world.join(), await world.join()];
  const load = (host: typeof a, module: Uint8Array) => host.load(module, "test").then((one) => host.startActor(one));
  const alias = { callAlias: "test/name" };
  const first = await load(b, obedient({ name: "first", ...alias }));
  await until(() => Date.now() > b.wanted.placements.get(first.placement)!.startedAt);
  // They have not met: neither knows of the other's actor.
  const second = await load(a, obedient({ name: "second", ...alias }));
  const callers = [
    [a, await load(a, obedient({ name: "caller" }))],
    [b, await load(b, obedient({ name: "caller" }))],
  ] as const;
  await world.meet();
  const count = async (
    host: typeof a,
    actor: typeof first,
    operation: string,
    payload: Uint8Array = new Uint8Array(),
  ) => Buffer.from(await host.call(actor, operation, payload)).toString();
  for (const [host, caller] of callers) await count(host, caller, "Call", calling("test/name", "Count"));
  assert.deepEqual([await count(b, first, "Count"), await count(a, second, "Count")], ["3", "1"]);

  const stranger = obedient({ name: "stranger", issuer: KeyPair.generate("account"), ...alias });
  await a.stopActor(second);
  await assert.rejects(load(a, stranger), { code: "ALIAS_TAKEN", message: /belongs to first; stranger/ });
});

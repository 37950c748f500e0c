import assert from "node:assert/strict";
import { test } from "node:test";
import { type ActorHandle, type Host, startHost } from "../../host/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";
import { until } from "../support/until.ts";

const longMs = 600_000;

async function world(engines: number) {
  const host = await startHost({ engines, logLevel: "silent" });
  const module = KeyPair.generate("module");
  const version = (revision: number) => host.load(obedient({ name: "Tried", module, revision }), `version ${revision}`);
  const actor = await host.startActor(await version(1), { reference: "first" });
  return {
    host,
    actor,
    version,
    ask: (operation: string) => host.call(actor.id, operation, Buffer.from("x")).catch(() => undefined),
    revision: () => revisionOf(host, actor),
    [Symbol.asyncDispose]: () => host.stop(),
  };
}

const revisionOf = (host: Host, actor: ActorHandle) => host.wanted.findActor(actor.id).spec.module.claims.revision;

for (const engines of [0, 2]) {
  test(`with ${engines} engines an update whose calls fail gives way to the module before it, which lost nothing`, async () => {
    await using tried = await world(engines);
    const { host, actor } = tried;
    for (let calls = 0; calls < 5; calls++) await tried.ask("Echo");
    const update = host.updateActor(actor, await tried.version(2), "second", { trialMs: longMs });
    const returned = assert.rejects(update, {
      code: "UPDATE_RETURNED",
      kind: "guest",
      message:
        /^Tried is at revision 1 .* again, since revision 2 .* failed its trial: \d+ of its first \d+ calls failed$/,
    });
    await until(() => tried.revision() === 2);
    await until(async () => {
      await tried.ask("Fail");
      return tried.revision() === 1;
    });
    await returned;
    assert.equal(host.wanted.findActor(actor.id).reference, "first");
    assert.equal(Buffer.from((await tried.ask("Echo"))!).toString(), "x");
    const [back, failed] = host.events.recent().slice(-2);
    assert.equal(failed?.type, "actor_update_failed");
    assert.equal(failed?.data["revision"], 2);
    assert.equal(back?.type, "actors_stopped");
  });
}

test("an actor of which as many calls failed before keeps its new module", async () => {
  await using tried = await world(0);
  const { host, actor } = tried;
  for (let calls = 0; calls < 10; calls++) await tried.ask(calls % 2 ? "Echo" : "Fail");
  let over = false;
  const update = host
    .updateActor(actor, await tried.version(2), "second", { trialMs: 1_000 })
    .finally(() => (over = true));
  await until(() => tried.revision() === 2);
  await until(async () => {
    await Promise.all([tried.ask("Echo"), tried.ask("Fail")]);
    return over;
  });
  await update;
  assert.equal(tried.revision(), 2);
});

test("whatever else is asked of the actor ends the trial, and the new module stays", async () => {
  const tried = await world(0);
  const { host, actor } = tried;
  const begin = async (revision: number) =>
    host.updateActor(actor, await tried.version(revision), undefined, { trialMs: longMs });
  const scaled = begin(2);
  await until(() => tried.revision() === 2);
  await host.scale(actor, 3);
  await scaled;
  const third = begin(3);
  await until(() => tried.revision() === 3);
  await host.updateActor(actor, await tried.version(4));
  await third;
  assert.equal(tried.revision(), 4);
  const last = begin(5);
  await until(() => tried.revision() === 5);
  await host.stop();
  await last;
});

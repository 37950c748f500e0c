import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { ActorModule, makeArchive } from "../../actors/index.ts";
import { noRoom } from "../../host/membership/willing.ts";
import { KeyPair } from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";
import { ControlLattice } from "../support/control-client.ts";
import { natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const patienceMs = 60_000;

/** Waits until these hosts bid and no others: a busy machine answers late. */
async function onlyThese(
  lattice: ControlLattice,
  what: "actor" | "provider",
  reference: string,
  hosts: readonly string[],
): Promise<void> {
  const wanted = hosts.toSorted().join();
  await until(async () => (await bidders(lattice, what, reference)).join() === wanted, patienceMs);
}

/** Keys of the hosts that bid. */
async function bidders(lattice: ControlLattice, what: "actor" | "provider", reference: string): Promise<string[]> {
  const ask = { [`${what}_ref`]: reference, ...(what === "provider" ? { link_name: "default" } : {}), constraints: {} };
  return (await lattice.all(`auction.${what}`, ask, 0)).map(({ host_id: id }) => String(id)).toSorted();
}

natsTest("a host that its policy, its issuers or the same actor from elsewhere would refuse does not bid", async () => {
  await using lattice = await ControlLattice.start();
  lattice.client.bus.subscribe("rules", (message) => {
    const { requestId, action } = JSON.parse(Buffer.from(message.payload).toString()) as Record<string, string>;
    message.respond(Buffer.from(JSON.stringify({ requestId, permitted: action !== "start_provider", message: "no" })));
  });
  const issuers = [KeyPair.generate("account").publicKey];
  const ruled = await lattice.host({ policyService: { topic: "rules", timeoutMs: patienceMs } });
  const picky = await lattice.host({ issuers });
  const free = await lattice.host();

  await onlyThese(lattice, "provider", "builtin:keyvalue-memory", [picky.id, free.id]);

  const module = KeyPair.generate("module");
  const [older, newer] = ["127.0.0.1:1/echo:1", "127.0.0.1:1/echo:2"];
  // Nobody knows yet what it is.
  await onlyThese(lattice, "actor", newer, [ruled.id, picky.id, free.id]);
  await free.startActor(ActorModule.fromBytes(obedient({ name: "Echo", module, revision: 2 })), {
    reference: newer,
  });
  await ruled.startActor(ActorModule.fromBytes(obedient({ name: "Echo", module, revision: 1 })), {
    reference: older,
  });
  await until(
    () => [ruled, picky].every(({ member }) => member?.claims.keyOfReference(newer) === module.publicKey),
    patienceMs,
  );
  await until(() => picky.member?.claims.get(module.publicKey) !== undefined, patienceMs);
  await onlyThese(lattice, "actor", newer, [free.id]);
});

natsTest(
  "a host that could not run an archive does not bid for it again, nor for files that it does not take",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "lattice-auctions-"));
    using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
    const [issuer, subject] = [KeyPair.generate("account"), KeyPair.generate("service").publicKey];
    const about = { name: "Foreign", contractId: "demo:archive", vendor: "Demo", revision: 1, issuer, subject };
    const path = join(folder, "foreign.par");
    writeFileSync(path, makeArchive({ ...about, binaries: new Map([["s390x-plan9", Buffer.from("no")]]) }));
    const reference = pathToFileURL(path).href;

    await using lattice = await ControlLattice.start();
    const taking = await lattice.host({ allowFiles: true });
    await lattice.host();
    await onlyThese(lattice, "provider", reference, [taking.id]);
    await lattice.ask(`cmd.${taking.id}.lp`, { provider_ref: reference, link_name: "default" });
    await lattice.event("provider_start_failed");
    await onlyThese(lattice, "provider", reference, []);
  },
);

natsTest("a host whose instances are all in use does not bid for actors, only for providers", async () => {
  await using lattice = await ControlLattice.start();
  const host = await lattice.host({ limits: { instancesPerProcess: 1 }, engines: 0 });
  const reference = "127.0.0.1:1/none:1";
  await onlyThese(lattice, "actor", reference, [host.id]);
  const actor = await host.startActor(ActorModule.fromBytes(obedient({ name: "Echo" })), {
    limits: { minInstances: 1 },
  });
  await host.call(actor, "Echo", Buffer.from("x"));
  await onlyThese(lattice, "actor", reference, []);
  await onlyThese(lattice, "provider", "builtin:keyvalue-memory", [host.id]);
});

test("room for one instance is free memory for the usual one, however far a raised limit would let it grow", () => {
  const MiB = 1024 * 1024;
  const room = { instancesLeft: 1, memoryBytes: 4096 * MiB, freeBytes: 100 * MiB };
  assert.equal(noRoom(room), undefined);
  assert.equal(noRoom({ ...room, freeBytes: 63 * MiB }), "its memory is full");
  assert.equal(noRoom({ ...room, memoryBytes: MiB, freeBytes: 2 * MiB }), undefined);
  assert.equal(noRoom({ ...room, instancesLeft: 0 }), "it has no instance left");
});

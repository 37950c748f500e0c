/** Links of programs of the 0.x years whose values change while actors call over them. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { LinkDoors } from "../../host/archives/link-doors.ts";
import { startHost } from "../../host/index.ts";
import { archiveOf, archiveProgram } from "../support/archives.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { goProgram, withoutGo } from "../support/go-program.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const skip = natsSkip();
const folder = mkdtempSync(join(tmpdir(), "lattice-archive-links-"));
let server: NatsServer;
before(async () => {
  if (skip === false) server = await NatsServer.start();
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const programs = [
  { name: "a script", skip, contract: "demo:archive", bytes: () => archiveProgram },
  {
    name: "the Go program",
    skip: skip || withoutGo,
    contract: "wasmcloud:keyvalue",
    bytes: () => readFileSync(goProgram()),
  },
] as const;

for (const { name, skip: without, contract, bytes } of programs) {
  test(`no call meets an actor without its link while values change: ${name}`, { skip: without }, async () => {
    await using shop = await startHost({
      nats: server.url,
      stateDirectory: folder,
      lattice: "shop",
      limits: { callTimeoutMs: 60_000, rpcTimeoutMs: 20_000 },
    });
    const actor = await shop.startActor(edgeActor({ capabilities: [contract] }));
    const provider = await shop.startProvider(
      shop.openArchive(archiveOf({ program: bytes(), contractId: contract }), "archive"),
    );
    await shop.link(actor, provider, { values: { prefix: "first" } });
    let [calls, over] = [0, false];
    const wrong: string[] = [];
    const callers = Array.from({ length: 6 }, async (_, caller) => {
      while (!over) {
        const text = `${caller}.${calls++}`;
        const call = askHost(contract, "Ask", text);
        const answer = await shop.call(actor, "Call", call, { timeoutMs: 60_000 }).catch(String);
        if (Buffer.from(answer).toString() !== text) wrong.push(Buffer.from(answer).toString());
      }
    });
    for (let round = 0; round < 15; round++) {
      const before = calls;
      await until(() => calls > before + 6);
      await shop.link(actor, provider, { values: { prefix: `round ${round}` } });
    }
    over = true;
    await Promise.all(callers);
    assert.deepEqual(wrong, []);
  });
}

const waiting = (doors: LinkDoors, deadline = performance.now() + 20_000) =>
  doors.pass("link", deadline, async () => "passed");

test("a call waits for a change of its link no longer than its own deadline, and goes on after one that fails", async () => {
  const doors = new LinkDoors();
  const { promise, reject } = Promise.withResolvers<void>();
  const changing = assert.rejects(
    doors.shut("link", () => promise),
    /gone/,
  );
  const patient = waiting(doors);
  await assert.rejects(waiting(doors, performance.now() + 20), { code: "DEADLINE_EXCEEDED" });
  assert.equal(await doors.pass("other", performance.now() + 20_000, async () => "passed"), "passed");
  reject(new Error("gone"));
  await changing;
  assert.equal(await patient, "passed");
});

test("a change waits for the calls under way, but for ever for none", async () => {
  const doors = new LinkDoors();
  const { promise, resolve } = Promise.withResolvers<void>();
  const steps: string[] = [];
  const call = doors.pass("link", performance.now() + 20_000, async () => {
    await promise;
    steps.push("call");
  });
  const change = doors.shut("link", async () => void steps.push("change"));
  resolve();
  await Promise.all([call, change]);
  assert.deepEqual(steps, ["call", "change"]);

  const endless = doors.pass("link", performance.now() + 20_000, () => new Promise<void>(() => {}));
  await doors.shut("link", async () => void steps.push("changed all the same"));
  assert.equal(steps.at(-1), "changed all the same");
  void endless;
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { childProvider, startHost } from "../../index.ts";
import { describeOf } from "../support/described.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { unrulyModule } from "../support/unruly-child.ts";
import { until } from "../support/until.ts";

const echo = (contract: string) => askHost(contract, "Echo", "hello");

test("a child process that is killed comes back by itself, with its links", async () => {
  await using host = await startHost({ logLevel: "silent" });
  const child = await childProvider(unrulyModule);
  const actor = await host.startActor(edgeActor({ capabilities: [child.contractId] }));
  const handle = await host.startProvider(child);
  await host.link(actor, handle, { values: { url: "somewhere" } });
  const ask = async () => Buffer.from(await host.call(actor, "Call", echo(child.contractId))).toString();
  assert.equal(await ask(), "hello");
  const { pid } = child;
  process.kill(pid!, "SIGKILL");
  await until(async () => /is gone|is down/.test(await ask()));
  await until(async () => (await ask()) === "hello");
  assert.notEqual(child.pid, pid);
  assert.equal((await describeOf(host, handle.id)).provider.restarts, 1);
});

test("a provider moves into a process of its own and back without a failed call", async () => {
  await using host = await startHost({ logLevel: "silent" });
  const { loadProvider } = await import("../../index.ts");
  const inside = () => loadProvider(unrulyModule);
  const first = await inside();
  const actor = await host.startActor(edgeActor({ capabilities: [first.contractId] }));
  const handle = await host.startProvider(first);
  await host.link(actor, handle, { values: { url: "somewhere" } });
  const wrong: string[] = [];
  let answered = 0;
  let over = false;
  const asking = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (!over) {
        const answer = Buffer.from(await host.call(actor, "Call", echo(first.contractId))).toString();
        if (answer === "hello") answered++;
        else wrong.push(answer);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }),
  );
  for (const next of [() => childProvider(unrulyModule), inside, () => childProvider(unrulyModule)]) {
    const before = answered;
    assert.equal((await host.swapProvider(handle, await next(), { trialMs: 30 })).lost, 0);
    await until(() => answered > before + 50);
  }
  over = true;
  await asking;
  assert.deepEqual(wrong, []);
});

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { childProvider, loadProvider } from "../../host/index.ts";
import { isLatticeError, type LatticeError } from "../../lattice/index.ts";
import { fakeContext } from "../support/capabilities.ts";
import { isAlive, startUnruly, unrulyLink, unrulyModule } from "../support/unruly-child.ts";
import { until } from "../support/until.ts";

test("one that dies fails what waits for it at once and says so, and another start brings it back", async () => {
  const gone: LatticeError[] = [];
  await using child = await startUnruly({ onGone: (error) => gone.push(error) });
  const { provider, call } = child;
  const waiting = [call("Never"), call("Never")];
  const ending = call("Exit", "3");
  for (const each of [...waiting, ending]) {
    await assert.rejects(each, { code: "PROVIDER_GONE", kind: "unavailable", message: /exited with code 3/ });
  }
  await assert.rejects(call("Echo"), { code: "PROVIDER_GONE" });
  const health = await provider.health();
  assert.equal(health.healthy, false);
  assert.match(health.message ?? "", /exited with code 3/);
  assert.equal(gone.length, 1);
  assert.equal(provider.pid, undefined);
  await provider.drain();
  await provider.deleteLink(unrulyLink);
  await provider.stop();
  await provider.start(fakeContext());
  await provider.putLink(unrulyLink);
  assert.equal(await call("Echo", "again"), "again");
  await assert.rejects(call("Crash"), { code: "PROVIDER_GONE", message: /exited with code 1/ });
  assert.equal(gone.length, 2);
});

test("one that takes too much memory ends, and the host does not", async () => {
  await using heap = await startUnruly({ memoryMiB: 48 });
  await assert.rejects(heap.call("Heap", "", { deadline: performance.now() + 60_000 }), { code: "PROVIDER_GONE" });
  await using buffers = await startUnruly({ memoryMiB: 16 });
  await assert.rejects(buffers.call("Buffers", "", { deadline: performance.now() + 60_000 }), {
    code: "PROVIDER_GONE",
    message: /MiB of memory/,
  });
  await until(() => !isAlive(buffers.provider.pid));
});

test("one that hangs is unwell, loses its calls at their deadline, and is ended by stop", async () => {
  await using child = await startUnruly({ stopMs: 100 });
  const { pid } = child.provider;
  const hanging = child.call("Spin", "", { deadline: performance.now() + 50 });
  hanging.catch(() => {});
  await assert.rejects(child.provider.health(), { code: "DEADLINE_EXCEEDED", message: /health of unruly/ });
  await assert.rejects(hanging, { code: "DEADLINE_EXCEEDED" });
  assert.ok(isAlive(pid));
  await child.provider.stop();
  assert.ok(!isAlive(pid));
});

test("nonsense on its pipe ends it, whatever it is", async () => {
  const frame = (head: Buffer) => {
    const prefix = Buffer.alloc(8);
    prefix.writeUInt32LE(head.length);
    return Buffer.concat([prefix, head]).toString("latin1");
  };
  const nonsense = [
    "\u007f".repeat(100),
    frame(Buffer.from([0xc1])),
    frame(Buffer.from([0x81, 0xa4, ...Buffer.from("type"), 0xa4, ...Buffer.from("done")])),
  ];
  for (const each of nonsense) {
    await using child = await startUnruly();
    await assert.rejects(child.call("Garbage", each), (error: unknown) => {
      assert.ok(isLatticeError(error) && error.code === "PROVIDER_GONE", String(error));
      return true;
    });
    await until(() => !isAlive(child.provider.pid));
  }
});

test("a module that gives no provider is refused with the reason, and leaves no process", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lattice-child-"));
  try {
    const module = (code: string) => {
      const file = join(folder, `${Math.random()}.mjs`);
      writeFileSync(file, code);
      return file;
    };
    for (const [code, message] of [
      ["export const x = 1;", /default export is neither/],
      ["export default {};", /no contractId/],
      ['export default { contractId: "a:b", name: "x" };', /no function handle/],
      ["export default () => { throw new Error('no'); };", /no$/],
      ["export default class { }", /class/i],
      ["syntax error", /syntax|unexpected/i],
      ['import "./absent.mjs"; export default {};', /absent\.mjs/],
    ] as const) {
      await assert.rejects(loadProvider(module(code)), { code: "PROVIDER_MODULE_INVALID", message }, code);
    }
    const forbidden = 'import { readFileSync } from "node:fs"; export default readFileSync("/etc/passwd");';
    await assert.rejects(childProvider(module(forbidden)), {
      code: "PROVIDER_MODULE_INVALID",
      message: /\/etc\/passwd: declare it/,
    });
    await assert.rejects(childProvider(join(folder, "absent.mjs")), { code: "PROVIDER_MODULE_INVALID" });
    const slow = join(folder, "slow.mjs");
    writeFileSync(slow, "await new Promise((later) => setTimeout(later, 60_000)); export default {};");
    await assert.rejects(childProvider(slow, { loadMs: 500, stopMs: 50 }), {
      code: "DEADLINE_EXCEEDED",
      message: /loading/,
    });
    writeFileSync(slow, "process.exit(4)");
    await assert.rejects(childProvider(slow), { code: "PROVIDER_GONE", message: /exited with code 4/ });
    await assert.rejects(childProvider(unrulyModule, { memoryMiB: 1 }), { code: "OPTION_OUT_OF_RANGE" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

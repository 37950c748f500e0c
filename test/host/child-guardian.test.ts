import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isAlive } from "../support/unruly-child.ts";
import { until } from "../support/until.ts";

/** A host process that says who its children and their guardian are. */
async function childHost() {
  const entry = fileURLToPath(new URL("../support/child-host.ts", import.meta.url));
  const host = spawn(process.execPath, [entry], { stdio: ["pipe", "pipe", "inherit"], detached: true });
  let out = "";
  host.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  const told = async (lines: number) => {
    await until(() => out.split("\n").length > lines);
    return JSON.parse(out.split("\n")[lines - 1]!) as { children: number[]; guardian: number };
  };
  return { host, told };
}

for (const [how, kill] of [
  ["kill -9", (pid: number) => process.kill(pid, "SIGKILL")],
  ["a signal to its group", (pid: number) => process.kill(-pid, "SIGTERM")],
] as const) {
  test(`no child outlives a host that ends by ${how}, not even one that hangs`, async () => {
    const { host, told } = await childHost();
    const { children, guardian } = await told(1);
    assert.ok([...children, guardian].every(isAlive));
    kill(host.pid!);
    await until(() => ![...children, guardian].some(isAlive));
  });
}

test("a guardian that was ended is replaced, and the new one knows all children", async () => {
  const { host, told } = await childHost();
  const { children, guardian } = await told(1);
  process.kill(guardian, "SIGKILL");
  await until(() => !isAlive(guardian));
  const next = await until(async () => {
    host.stdin.write("\n");
    const found = await told(2).catch(() => undefined);
    return found?.guardian !== undefined && found.guardian !== guardian && found.guardian;
  });
  assert.ok(children.every(isAlive));
  process.kill(host.pid!, "SIGKILL");
  await until(() => ![...children, next].some(isAlive));
});

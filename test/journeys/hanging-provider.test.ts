/** A module of a host file that never lets go of its thread. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { KeyPair, signModule } from "../../index.ts";
import { Home, ready } from "../support/cli.ts";
import { askHost } from "../support/edge.ts";
import { guestBytes } from "../support/guest-corpus.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "lattice-hanging-"));
after(() => rmSync(folder, { recursive: true }));
const module = fileURLToPath(new URL("../support/hanging-provider.ts", import.meta.url));
const contract = "wasmcloud:keyvalue";

test("a module of a host file that hangs leaves the control of its host alone, is told of, and serves again", async () => {
  writeFileSync(
    join(folder, "asker.wasm"),
    signModule(guestBytes("edge"), {
      name: "asker",
      capabilities: [contract],
      issuer: KeyPair.generate("account"),
      module: KeyPair.generate("module"),
    }),
  );
  const file = join(folder, "host.yaml");
  const limits = "limits: { providerSilenceMs: 1500, healthMs: 100 }";
  writeFileSync(
    file,
    `${limits}\nactors: [./asker.wasm]\ncapabilities: [{ module: ${module} }]\nlinks: [{ actor: asker, contract: ${contract} }]\n`,
  );
  await using home = new Home();
  const running = home.start(["up", "-f", file, "--no-nats", "-o", "json"]);
  await ready(running);
  const ask = async (operation: string) => {
    const payload = Buffer.from(askHost(contract, operation, "hello")).toString("hex");
    return (await home.run(["call", "asker", "Call", "--hex", payload, "--raw"])).stdout;
  };
  assert.equal(await ask("echo"), "hello");
  const stuck = ask("handle");
  const shown = await home.run(["get", "providers", "-o", "json"]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(await stuck, /hanging is gone: its thread answered no heartbeat for \d+ ms, in handle/);
  await until(async () => (await ask("echo")) === "hello", 60_000);
  const described = await home.run(["describe", "provider", "hanging", "-o", "json"]);
  assert.match(described.stdout, /"restarts": ?1/);
  const events = await home.run(["get", "events", "-o", "json"]);
  assert.match(events.stdout, /provider_down[^]*in handle/);
  assert.match(events.stdout, /provider_restarted/);
  running.child.kill("SIGTERM");
  assert.equal((await running.finished).code, 0);
});

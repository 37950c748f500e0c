import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Host, startHost } from "../../host/index.ts";
import { example } from "../support/examples.ts";
import { until } from "../support/until.ts";

const root = mkdtempSync("/tmp/wl-faces-");
after(() => rmSync(root, { recursive: true, force: true }));

async function start(name: string): Promise<Host> {
  const host = await startHost({
    controlSocket: join(root, `${name}.sock`),
    metricsAddress: "127.0.0.1:0",
    logLevel: "silent",
  });
  const file = example("echo-rust");
  await host.startActor(await host.load(await readFile(file), file));
  return host;
}

async function ask(host: Host, verb: string, body: object = {}): Promise<Record<string, unknown>> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const asked = request({ socketPath: host.faces.controlSocket, method: "POST", path: `/v1/${verb}`, agent: false });
  asked.on("error", reject).on("response", (response) => {
    let text = "";
    response
      .setEncoding("utf8")
      .on("data", (part: string) => (text += part))
      .on("end", () => resolve(text));
  });
  asked.end(JSON.stringify(body));
  return JSON.parse(await promise) as Record<string, unknown>;
}

test("a host's calls show in its metrics, and its verbs answer on its socket", async () => {
  await using host = await start("one");
  const { actors } = (await ask(host, "get.actors")) as { actors: { id: string; name: string }[] };
  await assert.rejects(host.call(actors[0]?.name ?? "", "No.Such", new Uint8Array()));
  const metrics = await (await fetch(`http://${host.faces.metrics}/metrics`)).text();
  assert.match(metrics, /^lattice_calls_total\{actor="[^"]+",placement="[^"]+",outcome="error"\} 1$/m);
  assert.match(metrics, /^lattice_call_errors_total\{code="[A-Z_]+"\} 1$/m);
  assert.equal((await fetch(`http://${host.faces.metrics}/readyz`)).status, 200);
});

test("a host asked to stop answers first, then drains, then takes its socket away", async () => {
  const host = await start("two");
  const socket = host.faces.controlSocket ?? "";
  assert.deepEqual(await ask(host, "stop.host"), { success: true, host: { id: host.id } });
  await until(() => !existsSync(socket) && host.state === "stopped");
  await host.stop();
});

test("a host whose metrics cannot open does not start, and leaves no socket behind", async () => {
  await using host = await start("three");
  const controlSocket = join(root, "four.sock");
  await assert.rejects(startHost({ controlSocket, metricsAddress: host.faces.metrics ?? "", logLevel: "silent" }), {
    code: "ADDRESS_UNAVAILABLE",
  });
  assert.equal(existsSync(controlSocket), false);
});

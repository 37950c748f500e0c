import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Home, documentOf, failureOf, ready } from "../support/cli.ts";
import { example } from "../support/examples.ts";
import { artifact, Registry, withoutRegistry } from "../support/registry.ts";

const skip = withoutRegistry;
const echo = readFileSync(example("echo-rust"));
const ponger = readFileSync(example("ponger-rust"));

test("an image is a reference everywhere: run, host file, start, inspect", { skip }, async () => {
  await using registry = await Registry.start();
  await using home = new Home();
  const { manifest, blobs } = artifact(echo);
  const digest = await registry.put("demo/echo", "1.0", manifest, blobs);
  const other = artifact(ponger);
  await registry.put("demo/ponger", "latest", other.manifest, other.blobs);
  const image = `${registry.host}/demo/echo:1.0`;

  const seen = documentOf(await home.run(["inspect", image, "-o", "json"]));
  assert.equal(seen.kind, "actor");
  assert.equal(seen.size, echo.length);

  writeFileSync(join(home.path, "host.yaml"), `actors:\n  - ${registry.host}/demo/echo@${digest}\n`);
  const up = home.start(["up", "-f", "host.yaml", "--no-nats", "--allow-latest", "-o", "json"]);
  assert.equal((await ready(up)).actors[0]?.image_ref, `${registry.host}/demo/echo@${digest}`);

  const absent = await home.run(["start", "actor", `${registry.host}/demo/echo:2.0`, "-o", "json"]);
  assert.deepEqual([absent.code, failureOf(absent).code], [3, "OCI_ABSENT"]);
  const started = documentOf(await home.run(["start", "actor", `${registry.host}/demo/ponger`, "-o", "json"]));
  assert.equal((started.actor as { name: string }).name, "Ponger");
  up.child.kill("SIGTERM");
  await up.finished;

  const latest = await home.run(["run", `${registry.host}/demo/ponger:latest`, "--port", "0", "-o", "json"]);
  assert.deepEqual([latest.code, failureOf(latest).code], [4, "OCI_LATEST_REFUSED"]);
  const run = home.start(["run", image, "--port", "0", "-o", "json"]);
  const [actor] = (await ready(run)).actors;
  assert.equal(actor?.image_ref, image);
  assert.equal((await fetch(actor?.urls[0] ?? "")).status, 200);
  run.child.kill("SIGTERM");
  await run.finished;
});

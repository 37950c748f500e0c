import assert from "node:assert/strict";
import { test } from "node:test";
import { findVerb, startHost, verbsOf } from "../../host/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";
import { start } from "../support/journey.ts";

const signal = new AbortController().signal;

void test("stopping, scaling and updating mean the placements that carry the annotations, and say when none does", async () => {
  await using host = await startHost();
  const verbs = verbsOf(host);
  const ask = (name: string, params: object) => findVerb(verbs, name).run(params, { signal });
  const [module, issuer] = [KeyPair.generate("module"), KeyPair.generate("account")];
  const echo = (revision: number) => obedient({ name: "Echo", module, issuer, revision });
  for (const team of ["blue", "red"]) await start(host, echo(1), { annotations: { team, kind: "web" }, instances: 5 });
  const rows = () =>
    [...host.wanted.placements.values()].map(({ annotations, spec }) => [
      annotations["team"],
      spec.limits.instances,
      spec.module.claims.revision,
    ]);

  await ask("scale", { target: "Echo", instances: 7, annotations: { team: "red" } });
  assert.deepEqual(rows(), [
    ["blue", 5, 1],
    ["red", 7, 1],
  ]);
  const bytes = Buffer.from(echo(2)).toString("base64");
  await ask("update", { target: "Echo", bytes, annotations: { team: "blue", kind: "web" } });
  assert.deepEqual(rows(), [
    ["blue", 5, 2],
    ["red", 7, 1],
  ]);
  for (const [name, params] of [
    ["scale", { instances: 1 }],
    ["update", { bytes }],
    ["stop.actor", {}],
    ["stop.actor", { count: 1 }],
  ] as const)
    await assert.rejects(ask(name, { target: "Echo", ...params, annotations: { team: "blue", kind: "job" } }), {
      code: "ACTOR_ABSENT",
      message: "no actor Echo with annotations team=blue, kind=job runs here",
    });
  assert.equal(rows().length, 2);

  await ask("stop.actor", { target: "Echo", annotations: { team: "red" }, count: 3 });
  assert.deepEqual(rows()[1], ["red", 4, 1]);
  await ask("stop.actor", { target: "Echo", annotations: { team: "blue" } });
  assert.deepEqual(rows(), [["red", 4, 1]]);
  await ask("stop.actor", { target: "Echo", count: 9 });
  assert.deepEqual(rows(), []);
});

void test("a provider is stopped only when it carries the annotations", async () => {
  await using host = await startHost();
  const verbs = verbsOf(host);
  const stop = (team: string) =>
    findVerb(verbs, "stop.provider").run({ target: "wasmcloud:keyvalue", annotations: { team } }, { signal });
  await host.startProvider("builtin:keyvalue-memory", { annotations: { team: "blue" } });
  await assert.rejects(stop("red"), {
    code: "PROVIDER_ABSENT",
    message: "no provider wasmcloud:keyvalue with annotations team=red runs here",
  });
  await stop("blue");
  assert.equal(host.wanted.providers.size, 0);
});

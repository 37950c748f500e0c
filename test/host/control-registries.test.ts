import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { KeyPair } from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";
import { archiveOf } from "../support/archives.ts";
import { ControlLattice } from "../support/control-client.ts";
import { natsSkip } from "../support/nats-server.ts";
import { Registry, registryLogin, withoutRegistry } from "../support/registry.ts";
import { until } from "../support/until.ts";

const skip = natsSkip() || withoutRegistry;
const patienceMs = 60_000;

void test(
  "credentials that are put over the lattice are used by the next pull, and are told to nobody",
  { skip },
  async () => {
    await using registry = await Registry.start({ basic: true });
    const [echo, other] = [
      await registry.push("private/echo", obedient({ name: "Echo" })),
      await registry.push("private/other", obedient({ name: "Other" })),
    ];
    await using lattice = await ControlLattice.start();
    const [host, second] = [await lattice.host(), await lattice.host()];
    const scale = (at: { readonly id: string }, reference: string) =>
      lattice.ask(`cmd.${at.id}.scale`, { actor_ref: reference, annotations: {}, count: 1, host_id: at.id });
    const put = (entries: object) => lattice.all("registries.put", entries);

    await scale(host, echo);
    const failed = await lattice.event("actors_start_failed");
    assert.match(String(failed.data["error"]), /nobody in particular/);

    await put({ [registry.host]: { registryType: "oci", username: registryLogin.username, password: "wrong" } });
    lattice.takeNames();
    await scale(host, echo);
    const refused = await lattice.event("actors_start_failed");
    assert.match(String(refused.data["error"]), new RegExp(registryLogin.username));

    // What is malformed in one entry takes none of the others.
    const halves = await put({ [registry.host]: { ...registryLogin }, "other.example": 5 });
    assert.deepEqual(
      halves.map(({ accepted }) => accepted),
      [false, false],
    );
    lattice.takeNames();
    await scale(host, echo);
    await lattice.event("actors_start_failed");

    const answers = await put({ [`http://${registry.host}/`]: { registryType: "oci", ...registryLogin } });
    assert.deepEqual(answers, [
      { accepted: true, error: "" },
      { accepted: true, error: "" },
    ]);
    lattice.takeNames();
    await scale(host, echo);
    await scale(second, other);
    await until(() => host.wanted.placements.size === 1 && second.wanted.placements.size === 1, patienceMs);
    const told = JSON.stringify([lattice.events, host.events.recent(0), second.events.recent(0)]);
    assert.ok(!told.includes(registryLogin.password) && !told.includes("wrong"), "no event repeats a password");
  },
);

void test("a host that is only to be read takes no credentials", { skip }, async () => {
  await using lattice = await ControlLattice.start();
  await lattice.host({ ctl: "read" });
  const [answer] = await lattice.all("registries.put", { "reg.example": registryLogin });
  assert.equal(answer!["accepted"], false);
});

void test(
  "the config service's credentials open a private registry for the actors and providers that it starts",
  { skip },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "lattice-configured-"));
    using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
    await using registry = await Registry.start({ basic: true });
    const { publicKey: key } = KeyPair.generate("service");
    const file = join(folder, "file.par");
    writeFileSync(file, archiveOf());
    const answer = {
      registryCredentials: { [registry.host]: { registryType: "oci", ...registryLogin } },
      autoStartActors: [
        `${registry.host}/private/absent:1`,
        await registry.push("private/echo", obedient({ name: "Echo" })),
      ],
      autoStartProviders: [
        // Code of this machine's disk is nothing that the lattice may name.
        { imageReference: file },
        { imageReference: pathToFileURL(file).href },
        { imageReference: "builtin:unheard-of" },
        { imageReference: await registry.push("private/archived", archiveOf({ subject: key })), linkName: "auto" },
        { imageReference: "builtin:keyvalue-memory" },
      ],
    };
    await using lattice = await ControlLattice.start();
    const questions: unknown[] = [];
    lattice.client.bus.subscribe("wasmbus.cfg.default.req", (message) => {
      questions.push(JSON.parse(Buffer.from(message.payload).toString()));
      message.respond(Buffer.from(JSON.stringify(answer)));
    });
    await lattice.client.bus.flush();
    const labels = { zone: "a" };
    const host = await lattice.host({ configService: true, stateDirectory: folder, labels, logLevel: "silent" });
    await until(() => host.wanted.placements.size === 1, patienceMs);
    assert.equal((questions[0] as { labels: Record<string, string> }).labels["zone"], "a");
    assert.equal(questions.length, 1, "asked once");
    const linkNames = [...host.wanted.providers.values()].map(({ spec }) => spec.linkName);
    assert.deepEqual(linkNames.toSorted(), ["auto", "default"]);
    assert.ok([...host.wanted.providers.values()].some(({ spec }) => spec.key === key));
    const [actor] = [...host.wanted.placements.values()];
    assert.equal(actor!.reference, answer.autoStartActors[1]);
    const { actors } = (await lattice.ask(`get.${host.id}.inv`)) as { actors: { image_ref: string }[] };
    assert.equal(actors[0]!.image_ref, answer.autoStartActors[1]);
  },
);

void test(
  "a config service that is not there, or answers nonsense, keeps no host from its work",
  { skip },
  async () => {
    await using lattice = await ControlLattice.start();
    const nonsense = ["", "[]", '{"autoStartActors":"all"}', '{"registryCredentials":{"a":5},"autoStartActors":["x"]}'];
    let asked = 0;
    lattice.client.bus.subscribe("wasmbus.cfg.default.req", (message) => {
      message.respond(Buffer.from(nonsense[asked++ % nonsense.length]!));
    });
    await lattice.client.bus.flush();
    for (const _ of nonsense) {
      const host = await lattice.host({ configService: true, logLevel: "silent" });
      await host.startActor(await host.load(obedient({ name: "Local" }), "local"));
      assert.equal(host.wanted.placements.size, 1);
    }
    await until(() => asked === nonsense.length, patienceMs);
  },
);

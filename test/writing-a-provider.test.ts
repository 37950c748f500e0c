import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import {
  childProvider,
  type Host,
  KeyPair,
  loadProvider,
  makeArchive,
  nodeModule,
  type Provider,
  signModule,
  startHost,
  threadProvider,
} from "../index.ts";
import { Home, ready } from "./support/cli.ts";
import { askHost, edgeActor } from "./support/edge.ts";
import { guestBytes } from "./support/guest-corpus.ts";

const checkout = fileURLToPath(new URL("..", import.meta.url));
const page = readFileSync(join(checkout, "docs", "writing-a-provider.md"), "utf8");
const [greeting = "", inProcess = "", inChild = "", suites = ""] = [...page.matchAll(/```ts\n([^]*?)```/g)].map(
  ([, code]) => code!,
);
const [hostFile = ""] = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, code]) => code!);
const [commands = ""] = [...page.matchAll(/```sh\n([^]*?)```/g)].map(([, code]) => code!);

const folder = mkdtempSync(join(tmpdir(), "lattice-writing-"));
after(() => rmSync(folder, { recursive: true }));
const module = join(folder, "greeting.ts");
writeFileSync(module, greeting);
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
mkdirSync(join(folder, "node_modules"));
symlinkSync(checkout, join(folder, "node_modules", "wasmlattice"));

const greet = askHost("demo:greeting", "Greet", "you");

test("the provider of the page is at most 20 lines", () => {
  const lines = greeting.split("\n").filter((line) => line.trim() !== "");
  assert.ok(lines.length <= 20, `${lines.length} lines`);
});

const archive = () =>
  makeArchive({
    name: "greeter",
    contractId: "demo:greeting",
    vendor: "Demo",
    issuer: KeyPair.generate("account"),
    subject: KeyPair.generate("service").publicKey,
    binaries: new Map([["node", nodeModule(module, readFileSync(module))]]),
  });

const ways: Readonly<Record<string, (host: Host) => Provider | Promise<Provider>>> = {
  "in process": () => loadProvider(module, { mark: "." }),
  "in a thread of its own": () => threadProvider(module, { settings: { mark: "." } }),
  "as a child": () => childProvider(module, { settings: { mark: "." } }),
  "from an archive": (host) => host.openArchive(archive(), "greeting.par"),
};

for (const [where, make] of Object.entries(ways)) {
  test(`it runs ${where} without a change`, async () => {
    await using host = await startHost({ stateDirectory: join(folder, "state") });
    const actor = await host.startActor(edgeActor({ name: "greeted", capabilities: ["demo:greeting"] }));
    const provider = await make(host);
    const greeter = await host.startProvider(provider, { config: { mark: "." } });
    assert.equal("pid" in provider && provider.pid !== undefined, ["as a child", "from an archive"].includes(where));
    await assert.rejects(host.link(actor, greeter), { code: "LINK_VALUES_INVALID", message: /word is missing/ });
    await host.link(actor, greeter, { values: { word: "Hello" } });
    assert.equal(Buffer.from(await host.call(actor, "Call", greet)).toString(), "Hello, you.");
    await host.link(actor, greeter, { values: { word: "Good day" } });
    assert.equal(Buffer.from(await host.call(actor, "Call", greet)).toString(), "Good day, you.");
    const wrong = askHost("demo:greeting", "Insult", "you");
    assert.match(
      Buffer.from(await host.call(actor, "Call", wrong)).toString(),
      /demo:greeting has no operation Insult/,
    );
  });
}

test("the test of the page passes as it is printed, and fails for a provider that breaks its promises", () => {
  writeFileSync(join(folder, "greeting.test.ts"), suites);
  const run = () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ["--test", "--test-reporter=tap", "greeting.test.ts"];
    return spawnSync(process.execPath, args, { cwd: folder, env, encoding: "utf8" });
  };
  const { status, stdout } = run();
  assert.equal(status, 0, stdout);
  assert.match(stdout, /ok \d - greeter as a provider/);
  assert.match(stdout, /ok \d - greeter in a process of its own as a provider/);

  writeFileSync(module, greeting.replace('if (operation !== "Greet")', "if (false)"));
  const broken = run();
  writeFileSync(module, greeting);
  assert.equal(broken.status, 1);
  const failed = [...broken.stdout.matchAll(/not ok \d+ - (an operation.*)/g)].map(([, title]) => title);
  assert.deepEqual(
    failed,
    Array(2).fill("an operation that the contract lacks is refused, and the next call is answered"),
  );
});

test("the two programs of the page run as they are printed", async () => {
  for (const [at, code] of [inProcess, inChild].entries()) {
    const file = join(folder, `program${at}.ts`);
    const before = `
      import { edgeActor } from ${JSON.stringify(pathToFileURL(join(checkout, "test/support/edge.ts")).href)};
      const actor = edgeActor({ capabilities: ["demo:greeting"] });`;
    // The actor of the page runs already.
    const program = code.replace(
      "await host.link(actor,",
      "await host.startActor(actor);\nawait host.link(actor.claims.key,",
    );
    writeFileSync(file, `${before}\n${program}\nconsole.log(host.wanted.links.size, greeter.name);`);
    await using home = new Home();
    const run = await home.run([], { launcher: file, cwd: folder });
    assert.equal(run.stdout, "1 greeter\n", run.stderr);
  }
});

test("the host file of the page starts it in a process of its own", async () => {
  await using home = new Home();
  const account = KeyPair.generate("account");
  const signed = signModule(guestBytes("edge"), {
    name: "greeted",
    capabilities: ["demo:greeting"],
    issuer: account,
    module: KeyPair.generate("module"),
  });
  writeFileSync(join(folder, "greeted.wasm"), signed);
  writeFileSync(join(folder, "host.yaml"), `actors: [./greeted.wasm]\n${hostFile}`);
  const running = home.start(["up", "-f", join(folder, "host.yaml"), "--no-nats", "-o", "json"]);
  const { providers } = await ready(running);
  assert.deepEqual(
    providers.map(({ name, contract_id }) => [name, contract_id]),
    [["greeter", "demo:greeting"]],
  );
  const called = await home.run(["call", "greeted", "Call", "--hex", Buffer.from(greet).toString("hex"), "--raw"]);
  assert.equal(called.stdout, "Hello, you.", called.stderr);
  running.child.kill("SIGTERM");
  assert.equal((await running.finished).code, 0);
});

test("the commands of the page make an archive of it, start it and link it", async () => {
  await using home = new Home();
  writeFileSync(join(home.path, "greeting.ts"), greeting);
  const signed = signModule(guestBytes("edge"), {
    name: "greeted",
    capabilities: ["demo:greeting"],
    issuer: KeyPair.generate("account"),
    module: KeyPair.generate("module"),
  });
  writeFileSync(join(home.path, "greeted.wasm"), signed);
  writeFileSync(join(home.path, "host.yaml"), "actors: [./greeted.wasm]\n");
  const running = home.start(["up", "-f", "host.yaml", "--no-nats", "-o", "json"]);
  await ready(running);
  for (const line of commands.trim().split("\n")) {
    const [launcher, ...words] = line.split(" ");
    assert.equal(launcher, "lattice");
    const run = await home.run(words);
    assert.equal(run.code, 0, `${line}: ${run.stderr}`);
  }
  const called = await home.run(["call", "greeted", "Call", "--hex", Buffer.from(greet).toString("hex"), "--raw"]);
  assert.equal(called.stdout, "Hello, you.", called.stderr);
  running.child.kill("SIGTERM");
  assert.equal((await running.finished).code, 0);
});

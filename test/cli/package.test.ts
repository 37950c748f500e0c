import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Home, checkout } from "../support/cli.ts";
import { until } from "../support/until.ts";

const shipped = ["package.json", "tsconfig.json", "tsconfig.build.json", "index.ts", ".npmrc"];
const folders = ["lattice", "actors", "capabilities", "host", "cli", "testing", "docs"];
const offline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTCACHED|E5\d\d|E429|network/;
/** A registry that takes longer to answer npm than this is out of reach. */
const longestMs = 120_000;

/** Puts a package where npm would, with the dependencies of the checkout behind it: without a registry. */
function unpack(tarball: string, into: string): void {
  const own = join(into, "node_modules", "wasmlattice");
  mkdirSync(join(into, "node_modules", ".bin"), { recursive: true });
  mkdirSync(own);
  execFileSync("tar", ["-xzf", tarball, "-C", own, "--strip-components=1"]);
  const { bin, dependencies } = JSON.parse(readFileSync(join(own, "package.json"), "utf8")) as {
    bin: { lattice: string };
    dependencies: Readonly<Record<string, string>>;
  };
  for (const name of Object.keys(dependencies))
    symlinkSync(join(checkout, "node_modules", name), join(into, "node_modules", name));
  symlinkSync(join(own, bin.lattice), join(into, "node_modules", ".bin", "lattice"));
}

test("what npm packs installs and runs elsewhere, and brings no Node of its own", async (t) => {
  await using home = new Home();
  const source = join(home.path, "source");
  mkdirSync(source);
  for (const file of shipped) cpSync(join(checkout, file), join(source, file));
  for (const folder of folders) {
    cpSync(join(checkout, folder), join(source, folder), {
      recursive: true,
      filter: (path) => !/[\\/](target|node_modules)([\\/]|$)/.test(path.slice(checkout.length)),
    });
  }
  symlinkSync(join(checkout, "node_modules"), join(source, "node_modules"));
  const env = {
    ...process.env,
    ...home.env,
    npm_config_cache: process.env.npm_config_cache ?? join(homedir(), ".npm"),
  };
  const run = (cwd: string, command: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: "utf8" });
    return { status, stdout, stderr };
  };

  const packed = run(source, "npm", "pack", "--pack-destination", home.path);
  assert.equal(packed.status, 0, packed.stderr);
  const tarball = join(home.path, packed.stdout.trim().split("\n").at(-1) ?? "");
  assert.ok(existsSync(tarball), packed.stdout);
  const kept = readFileSync(join(source, "package.json"), "utf8");
  assert.equal(kept, readFileSync(join(checkout, "package.json"), "utf8"), "the checkout's manifest is back in place");

  const elsewhere = join(home.path, "elsewhere");
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, "package.json"), '{"private":true,"type":"module"}');
  const args = ["install", "--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries=1", tarball];
  const installed = spawnSync("npm", args, { cwd: elsewhere, env, encoding: "utf8", timeout: longestMs });
  if (installed.status === null || (installed.status !== 0 && offline.test(installed.stderr))) {
    t.diagnostic("no registry within reach: npm did not install the package, it stands beside the checkout's modules");
    rmSync(join(elsewhere, "node_modules"), { recursive: true, force: true });
    unpack(tarball, elsewhere);
  } else assert.equal(installed.status, 0, installed.stderr);

  const own = join(elsewhere, "node_modules", "wasmlattice");
  const manifest = JSON.parse(readFileSync(join(own, "package.json"), "utf8")) as Record<string, unknown>;
  assert.equal(manifest.optionalDependencies, undefined);
  assert.equal(manifest.devDependencies, undefined);
  assert.ok(!existsSync(join(elsewhere, "node_modules", ".bin", "node")));
  assert.ok(!existsSync(join(own, "cli", "main.ts")), "compiled code only");

  const lattice = join(elsewhere, "node_modules", ".bin", "lattice");
  const help = run(elsewhere, process.execPath, lattice, "--help");
  assert.deepEqual([help.status, help.stderr], [0, ""]);
  assert.match(help.stdout, /^Usage: lattice/);

  const example = join(own, "actors", "examples", "kvcounter-rust", "kvcounter.wasm");
  const running = home.start(["run", example, "--port", "0", "-o", "json"], { launcher: lattice, cwd: elsewhere });
  const line = await until(() => running.stdout().split("\n").length > 1 && running.stdout().split("\n")[0]);
  const { actors } = JSON.parse(line) as { actors: { urls: string[] }[] };
  assert.deepEqual(await (await fetch(`${actors[0]?.urls[0]}/p`)).json(), { counter: 1, path: "/p" });
  running.child.kill("SIGINT");
  assert.equal((await running.finished).code, 0);

  const library = `
    import { startHost, ActorModule, httpServer, memoryKeyvalue } from "wasmlattice";
    import { fail } from "wasmlattice/lattice";
    await using host = await startHost();
    const actor = await host.startActor(await ActorModule.fromFile(${JSON.stringify(example)}));
    await host.link(actor, await host.startProvider(memoryKeyvalue()));
    console.log(actor.name, typeof httpServer, typeof fail);`;
  writeFileSync(join(elsewhere, "library.js"), library);
  const used = run(elsewhere, process.execPath, "library.js");
  assert.equal(used.stdout, "Key-value counter function function\n", used.stderr);

  writeFileSync(join(elsewhere, "own.test.js"), ownTest);
  // A runner that finds its parent's variable reports to it instead.
  const plain = { ...env, NODE_TEST_CONTEXT: undefined };
  const testing = ["--test", "--test-reporter=tap", "own.test.js"];
  const tried = spawnSync(process.execPath, testing, { cwd: elsewhere, env: plain, encoding: "utf8" });
  assert.equal(tried.status, 0, tried.stdout);
  assert.deepEqual(
    [...tried.stdout.matchAll(/^(?: {4})?ok \d+ - (own as .*)$/gm)].map(([, title]) => title),
    ["own as a key-value store", "own as messaging", "own as a blob store", "own as a provider"],
  );
});

/** The suites over what the package itself holds, as somebody would write it who has a provider of the own. */
const ownTest = `
  import { MemoryStore, fileBlobstore, memoryMessaging, numberGenerator } from "wasmlattice";
  import { blobstoreSuite, keyvalueSuite, messagingSuite, providerSuite } from "wasmlattice/testing";
  import { mkdtempSync } from "node:fs";
  keyvalueSuite("own", () => {
    let now = 1_000;
    return { store: new MemoryStore({ now: () => now }), advance: (ms) => void (now += ms) };
  });
  messagingSuite("own", () => ({ provider: memoryMessaging() }));
  blobstoreSuite("own", () => ({ provider: fileBlobstore({ root: mkdtempSync("blobs-") }) }));
  providerSuite("own", {
    open: () => ({ provider: numberGenerator() }),
    call: { operation: "NumberGen.GenerateGuid", answered: (reply) => { if (reply.length !== 38) throw Error("38"); } },
  });`;

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { KeyPair, signModule } from "../../index.ts";
import { documentOf, failureOf, Home, ready } from "../support/cli.ts";
import { askHost } from "../support/edge.ts";
import { guestBytes } from "../support/guest-corpus.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const skip = natsSkip();
let server: NatsServer;
before(async () => {
  if (skip === false) server = await NatsServer.start();
});
after(async () => server?.[Symbol.asyncDispose]());

const inLattice = (name: string) => ({ env: { LATTICE_NATS: server.url, LATTICE_NAME: name } });

test("secrets are put from a file or standard input, listed, opened and taken back", { skip }, async () => {
  await using home = new Home();
  const there = inLattice("cli_secrets");
  writeFileSync(join(home.path, "password.txt"), "hunter2\n");
  const put = await home.run(["secret", "put", "db.password", "@password.txt", "-o", "json"], there);
  assert.match(put.stderr, /Made curve key X\w+ in .*lattice-secrets\.nk/);
  const { sealed_for: own, lattice } = documentOf(put);
  assert.equal(lattice, "cli_secrets");
  const other = KeyPair.generate("curve");
  writeFileSync(join(home.path, "other.nk"), other.seed);
  const both = ["--to", other.publicKey, "--to", String(own)];
  assert.equal((await home.run(["secret", "put", "pin", ...both], { ...there, input: "47\n11\n" })).code, 0);
  const list = documentOf(await home.run(["secret", "list", "-o", "json"], there));
  assert.deepEqual(
    (list.secrets as { name: string; sealed_for: string[] }[]).map(({ name, sealed_for: keys }) => [name, keys]),
    [
      ["db.password", own],
      ["pin", [other.publicKey, ...(own as string[])]],
    ],
  );
  for (const { stdout } of [put, await home.run(["secret", "list"], there)]) assert.doesNotMatch(stdout, /hunter2/);
  assert.equal((await home.run(["secret", "get", "db.password"], there)).stdout, "hunter2\n");
  assert.equal(documentOf(await home.run(["secret", "get", "pin", "-o", "json"], there)).value, "47\n11");
  const asOther = ["--secret-key", "other.nk", "-o", "json"];
  assert.equal(documentOf(await home.run(["secret", "get", "pin", ...asOther], there)).value, "47\n11");
  const foreign = await home.run(["secret", "get", "db.password", ...asOther], there);
  assert.equal(failureOf(foreign).code, "SECRET_UNAVAILABLE");
  assert.ok(foreign.stderr.includes(other.publicKey) && !foreign.stderr.includes(other.seed));
  assert.equal((await home.run(["secret", "del", "pin"], there)).code, 0);
  for (const verb of ["get", "del"]) {
    const absent = await home.run(["secret", verb, "pin", "-o", "json"], there);
    assert.deepEqual([absent.code, failureOf(absent).code], [3, "SECRET_ABSENT"]);
  }
});

test("a secret on the command line is refused, and not repeated", async () => {
  await using home = new Home();
  const literal = await home.run(["secret", "put", "pin", "hunter2", "-o", "json"]);
  assert.deepEqual([literal.code, failureOf(literal).code], [2, "USAGE"]);
  assert.doesNotMatch(literal.stderr, /hunter2/);
  const name = await home.run(["secret", "put", "no name", "-o", "json"]);
  assert.equal(failureOf(name).code, "STATE_KEY_INVALID");
});

test("a host opens with the key of the folder what its links refer to, and follows each put", { skip }, async () => {
  await using home = new Home();
  const there = inLattice("cli_hosts");
  const file = (name: string, content: string | Uint8Array) => writeFileSync(join(home.path, name), content);
  const capability = "demo:echo";
  file(
    "greeted.wasm",
    signModule(guestBytes("edge"), {
      name: "greeted",
      capabilities: [capability],
      issuer: KeyPair.generate("account"),
      module: KeyPair.generate("module"),
    }),
  );
  file(
    "echo.mjs",
    `export default ({ mark }) => (
       { contractId: "${capability}", name: "echo", handle: ({ link }) => Buffer.from(link.values.pin + mark) });`,
  );
  file(
    "host.yaml",
    `actors: [./greeted.wasm]
capabilities: [{ module: ./echo.mjs, process: child, config: { mark: " (\${secret:nats:mark})" } }]
links: [{ actor: greeted, contract: "${capability}", values: { pin: "secret:nats:pin" } }]
`,
  );
  assert.equal((await home.run(["secret", "put", "pin"], { ...there, input: "hush4711" })).code, 0);
  assert.equal((await home.run(["secret", "put", "mark"], { ...there, input: "hushmark" })).code, 0);
  const running = home.start(["up", "-f", "host.yaml", "-o", "json"], there);
  await ready(running);
  const hex = Buffer.from(askHost(capability, "Ask", "")).toString("hex");
  const ask = async () => (await home.run(["call", "greeted", "Call", "--hex", hex, "--raw"])).stdout;
  assert.equal(await ask(), "hush4711 (hushmark)");
  assert.equal((await home.run(["secret", "put", "pin"], { ...there, input: "hush4712" })).code, 0);
  await until(async () => (await ask()) === "hush4712 (hushmark)");
  assert.equal((await home.run(["secret", "put", "mark"], { ...there, input: "hushsign" })).code, 0);
  await until(async () => (await ask()) === "hush4712 (hushsign)");
  for (const kind of ["links", "events", "inventory"])
    assert.doesNotMatch((await home.run(["get", kind, "-o", "json"])).stdout, /hush/);
  running.child.kill("SIGTERM");
  const { code, stdout, stderr } = await running.finished;
  assert.equal(code, 0);
  assert.doesNotMatch(stdout + stderr, /hush/);
});

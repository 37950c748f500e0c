import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeArchive, nodeModule, ownTarget } from "../../actors/index.ts";
import { checkLinkValues } from "../../host/archives/link-schema.ts";
import { type Host, startHost } from "../../host/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { isAlive } from "../support/unruly-child.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "node-archive-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const source = `
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { fail, type Trace } from "wasmlattice/lattice";

export default (settings: Record<string, string>) => ({
  contractId: "demo:archive",
  name: "within",
  async handle({ operation, payload, link }: { operation: string; payload: Uint8Array; link: { values: unknown } }) {
    const text = Buffer.from(payload).toString();
    switch (operation) {
      case "Settings": return Buffer.from(JSON.stringify([settings, link.values]));
      case "Read": return readFileSync(text);
      case "Exit": return process.exit(5);
      case "Connect":
        return new Promise<Uint8Array>((resolve) => {
          connect(1, "127.0.0.1").on("error", (error: Error & { code?: string }) => resolve(Buffer.from(error.code ?? "")));
        });
      default: throw fail("OPERATION_UNKNOWN", "demo:archive", operation);
    }
  },
});
`;

interface Parts {
  readonly module?: string;
  readonly contractId?: string;
  readonly network?: boolean;
  readonly configSchema?: unknown;
}

const archiveOf = ({ module = source, contractId = "demo:archive", ...more }: Parts = {}): Uint8Array =>
  makeArchive({
    name: "Archived",
    contractId,
    vendor: "Demo",
    issuer: KeyPair.generate("account"),
    subject: KeyPair.generate("service").publicKey,
    binaries: new Map([
      ["node", nodeModule("within.ts", Buffer.from(module))],
      [ownTarget(), Buffer.from("#!/bin/false\n")],
    ]),
    ...more,
  });

const start = () => startHost({ stateDirectory: folder });

async function linked(host: Host, archive: Uint8Array, values: Record<string, string> = {}) {
  const actor = await host.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  const object = host.openArchive(archive, "within.par");
  const provider = await host.startProvider(object, { config: { mark: "." } });
  await host.link(actor, provider, { values });
  const ask = async (operation: string, payload = "") =>
    Buffer.from(await host.call(actor, "Call", askHost("demo:archive", operation, payload))).toString();
  return { ask, actor, object, provider };
}

test("an archive with a module for Node runs without NATS, under the name of its claims, with its configuration", async () => {
  await using host = await start();
  const { ask, object, provider } = await linked(host, archiveOf(), { url: "one" });
  assert.equal(provider.name, "Archived");
  assert.equal(await ask("Settings"), '[{"mark":"."},{"url":"one"}]');
  const programs = join(folder, "programs");
  assert.equal(statSync(programs).mode & 0o777, 0o700);
  const { pid } = object as { pid?: number };
  assert.ok(isAlive(pid));
  await host.stopProvider(provider);
  await until(() => !isAlive(pid));
});

test("it reads nothing but itself, and uses the network only when that was signed", async () => {
  await using host = await start();
  const { ask } = await linked(host, archiveOf());
  assert.match(await ask("Read", "/etc/hostname"), /access|permission/i);
  assert.match(await ask("Read", join(folder, "programs")), /access|permission/i);
  assert.match(await ask("Connect"), /ACCESS|access|permission/i);
  await using open = await start();
  const { ask: askOpen } = await linked(open, archiveOf({ network: true }));
  assert.equal(await askOpen("Connect"), "ECONNREFUSED");
});

test("one that dies is brought back, and from what was signed, whatever lies in its place by then", async () => {
  await using host = await start();
  const { ask, object } = await linked(host, archiveOf(), { url: "one" });
  const code = nodeModule("within.ts", Buffer.from(source));
  const file = readdirSync(join(folder, "programs"))
    .map((name) => join(folder, "programs", name))
    .find((path) => readFileSync(path).equals(code));
  chmodSync(file!, 0o700);
  writeFileSync(file!, "process.exit(9);".padEnd(code.length));
  const { pid } = object as { pid?: number };
  assert.match(await ask("Exit"), /Archived is gone: it exited with code 5/);
  const settings = '[{"mark":"."},{"url":"one"}]';
  await until(async () => (await ask("Settings").catch(String)) === settings);
  assert.deepEqual(readFileSync(file!), Buffer.from(code));
  assert.ok(!isAlive(pid));
});

test("it takes over from a provider in process with its entries, and gives them back, under calls", async () => {
  const counter = (name: string) => `
    export default () => {
      const held = new Map();
      return {
        contractId: "demo:archive", name: "${name}",
        handle({ operation }) {
          if (operation === "Add") held.set("n", (held.get("n") ?? 0) + 1);
          return Buffer.from(String(held.get("n") ?? 0));
        },
        async *exportEntries() { for (const [key, value] of held) yield { key, kind: "value", value: Buffer.from(String(value)) }; },
        async importEntries(entries) { let count = 0; for await (const { key, value } of entries) { held.set(key, Number(Buffer.from(value).toString())); count++; } return count; },
        countEntries: () => held.size,
      };
    };`;
  const file = join(folder, "counter.mjs");
  writeFileSync(file, counter("near"));
  await using host = await start();
  const { loadProvider } = await import("../../host/index.ts");
  const actor = await host.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  const provider = await host.startProvider(await loadProvider(file));
  await host.link(actor, provider);
  const add = async () => {
    const answer = Buffer.from(await host.call(actor, "Call", askHost("demo:archive", "Add", ""))).toString();
    assert.match(answer, /^\d+$/);
    return Number(answer);
  };
  let calls = 0;
  let ended = false;
  const load = (async () => {
    while (!ended) {
      await add();
      calls++;
    }
  })();
  load.catch(() => {});
  const archive = host.openArchive(archiveOf({ module: counter("far") }), "far.par");
  await host.swapProvider(provider, archive, { copyState: true, trialMs: 0 });
  assert.ok("pid" in archive && isAlive(archive.pid as number));
  const { pid } = archive as { pid?: number };
  await host.swapProvider(provider, await loadProvider(file), { copyState: true, trialMs: 0 });
  ended = true;
  await load;
  assert.equal(await add(), calls + 1);
  await until(() => !isAlive(pid));
});

test("a module that is another provider than was signed does not start, and leaves no process", async () => {
  await using host = await start();
  const object = host.openArchive(archiveOf({ contractId: "demo:other" }), "within.par");
  await assert.rejects(host.startProvider(object), {
    code: "PROVIDER_MODULE_INVALID",
    message: /it provides demo:archive, and demo:other was signed for Archived/,
  });
  assert.equal((object as { pid?: number }).pid, undefined);
});

test("what is not in the archive is refused: by import when it is made, by import() when it runs", async () => {
  const imports = (text: string) => () => nodeModule("x.ts", Buffer.from(text));
  assert.throws(imports('import x from "redis"; import "./y.ts"; export default x;'), {
    code: "ARCHIVE_MODULE_INVALID",
    message: /it imports redis, \.\/y\.ts/,
  });
  assert.throws(imports("enum A { b }"), { code: "ARCHIVE_MODULE_INVALID" });
  assert.throws(imports("export default"), { code: "ARCHIVE_MODULE_INVALID" });
  assert.throws(() => nodeModule("x.js", Buffer.from([0xff, 0xfe])), { code: "ARCHIVE_MODULE_INVALID" });
  await using host = await start();
  const late = archiveOf({ module: 'export default async () => (await import("redis")).default;' });
  await assert.rejects(host.startProvider(host.openArchive(late, "late.par")), {
    code: "PROVIDER_MODULE_INVALID",
    message: /it imports redis, which its archive does not hold/,
  });
});

const schema = {
  type: "object",
  required: ["url", "token"],
  additionalProperties: false,
  properties: {
    url: { type: "string", pattern: "^https://" },
    token: { type: "string", minLength: 4 },
    port: { type: "integer", minimum: 1, maximum: 65_535 },
    mode: { enum: ["fast", "safe"] },
    tags: { type: "array", items: { type: "string" } },
    deep: { type: "object", required: ["a"], properties: { a: { type: "boolean" } } },
  },
};

test("link values that do not fit the schema of the claims are refused with all that is wrong, and without the values", async () => {
  await using host = await start();
  const values = { url: "https://x", token: "hunter22" };
  const { ask, actor, provider } = await linked(host, archiveOf({ configSchema: schema }), values);
  const wrong = { url: "hunter2", port: "70000", mode: "hunter3", tags: "[1]", deep: "{}", more: "x" };
  await assert.rejects(host.link(actor, provider, { values: wrong }), (error: Error & { code?: string }) => {
    assert.equal(error.code, "LINK_VALUES_INVALID");
    assert.equal(
      error.message,
      "the link values do not suit Archived: token is missing; url does not match ^https://; " +
        'port must be at most 65535; mode must be "fast" or "safe"; tags[0] must be a string; deep.a is missing; more is unknown',
    );
    return true;
  });
  assert.equal(await ask("Settings"), JSON.stringify([{ mark: "." }, values]));
});

test("text is taken for what the schema asks for", () => {
  const check = (values: Record<string, string>) => () =>
    checkLinkValues(schema, { url: "https://x", token: "1234", ...values }, "p");
  check({})();
  check({ port: "8080", mode: "safe", tags: '["a"]', deep: '{"a":true}' })();
  check({ token: "12345", url: "https://1" })();
  for (const [name, value] of Object.entries({ port: "8.5", tags: "a", deep: '{"a":1}', token: "123", mode: "1" }))
    assert.throws(check({ [name]: value }), { message: new RegExp(`: ${name}`) });
  const either = { properties: { size: { type: ["integer", "boolean"] }, kind: { enum: [1, "two"] } } };
  for (const size of ["3", "true"]) checkLinkValues(either, { size }, "p");
  for (const kind of ["1", "two"]) checkLinkValues(either, { kind }, "p");
  assert.throws(() => checkLinkValues(either, { size: "many", kind: "2" }, "p"), {
    message: /size must be a whole number or a boolean; kind must be 1 or "two"/,
  });
});

test("a schema that is no schema asks for nothing, and a pattern that never ends is a mismatch", () => {
  for (const nonsense of [undefined, null, true, 1, "x", [], {}, { properties: 1 }, { required: 1 }, { type: 7 }])
    checkLinkValues(nonsense, { a: "b" }, "p");
  checkLinkValues({ properties: { a: { pattern: "(" } } }, { a: "b" }, "p");
  let deep: object = {};
  for (let at = 0; at < 10_000; at++) deep = { type: "array", items: deep };
  checkLinkValues({ properties: { a: deep } }, { a: `${"[".repeat(100)}${"]".repeat(100)}` }, "p");
  const endless = { properties: { a: { pattern: "^(a+)+$" } } };
  assert.throws(() => checkLinkValues(endless, { a: `${"a".repeat(60)}!` }, "p"), { message: /a does not match/ });
  const proto = JSON.parse('{"__proto__": "x"}') as Record<string, string>;
  checkLinkValues({ properties: { a: { type: "string" } } }, proto, "p");
});

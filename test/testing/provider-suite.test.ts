import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  actorLogging,
  fileBlobstore,
  httpClient,
  memoryKeyvalue,
  memoryMessaging,
  numberGenerator,
  sqliteKeyvalue,
} from "../../capabilities/index.ts";
import { pack, unpack } from "../../lattice/index.ts";
import { type ProviderScript, providerSuite } from "../../testing/index.ts";

const folder = mkdtempSync(join(tmpdir(), "lattice-suite-"));
after(() => rmSync(folder, { recursive: true }));

const nothing = (reply: Uint8Array) => assert.equal(reply.length, 0);
const increment: ProviderScript["call"] = {
  operation: "KeyValue.Increment",
  payload: pack({ key: "k", value: 1 }),
  answered: (reply) => assert.ok(reply.length > 0),
};

providerSuite("memory", { open: () => ({ provider: memoryKeyvalue() }), call: increment });
providerSuite("SQLite", {
  open: () => ({ provider: sqliteKeyvalue({ path: join(folder, "store.db") }) }),
  call: increment,
});
providerSuite("logging", {
  open: () => ({ provider: actorLogging() }),
  call: { operation: "Logging.WriteLog", payload: pack({ level: "info", text: "hello" }), answered: nothing },
});
providerSuite("numbers", {
  open: () => ({ provider: numberGenerator() }),
  call: { operation: "NumberGen.GenerateGuid", answered: (reply) => assert.equal(reply.length, 38) },
});
providerSuite("messages of one host", {
  open: () => ({ provider: memoryMessaging() }),
  refused: [{ SUBSCRIPTION: "a..b" }],
  call: { operation: "Messaging.Publish", payload: pack({ subject: "s", body: new Uint8Array(1) }), answered: nothing },
});
providerSuite("blobs in files", {
  open: () => ({ provider: fileBlobstore({ root: join(folder, "blobs") }) }),
  refused: [{ ROOT: "../out" }],
  call: { operation: "Blobstore.CreateContainer", payload: pack("box"), answered: nothing },
});
const site = createServer((_request, response) => response.end("hi"));
await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
after(() => {
  site.close();
  site.closeAllConnections();
});
providerSuite("the HTTP client", {
  open: () => ({ provider: httpClient() }),
  values: { allow: "127.0.0.1", allow_private: "true" },
  refused: [{ timeout_ms: "soon" }],
  call: {
    operation: "HttpClient.Request",
    payload: pack({ method: "GET", url, headers: {}, body: new Uint8Array(0) }),
    answered: (reply) => assert.equal((unpack(reply, "reply") as { statusCode: number }).statusCode, 200),
  },
});

// --- what the suite is for: each broken promise fails the behaviour that holds it ----------------

const good = `{
  contractId: "demo:x", name: "x",
  putLink({ id, values }) { if (values.bad) throw fail("LINK_VALUES_INVALID", "x", "bad"); links.add(id); },
  deleteLink({ id }) { links.delete(id); },
  handle({ contractId, operation, payload, link }) {
    if (operation !== "Do") throw fail("OPERATION_UNKNOWN", contractId, operation);
    if (!links.has(link.id)) throw fail("LINK_ABSENT", "x", contractId, "default");
    return Buffer.from(payload);
  },
}`;

const broken: readonly (readonly [title: string, member: string])[] = [
  [
    "a call is answered, again and again, sixty-four at once",
    "handle: (call) => { if (busy++ > 10) throw new Error('busy'); return base.handle(call); }",
  ],
  [
    "the caller's payload is read and left as it was",
    "handle: (call) => { const reply = base.handle(call); call.payload.fill(0); return reply; }",
  ],
  ["an operation that the contract lacks is refused, and the next call is answered", "handle: () => Buffer.from('hi')"],
  [
    "bytes that make no sense end that call at most",
    "handle: (call) => { if (call.payload[0] === 0xc1) links.clear(); return base.handle(call); }",
  ],
  [
    "a link that is put again, by calls that go on, leaves no gap",
    "putLink: async (link) => { base.deleteLink(link); await null; base.putLink(link); }",
  ],
  ["a link may be deleted twice, or though it was never put; others stay", "deleteLink: () => links.clear()"],
  [
    "link values that are wrong are refused, and the link that stood stays",
    "putLink: (link) => { links.add(link.id); }",
  ],
  [
    "a second one takes over while the first drains: every call is answered",
    "drain: async () => {}, handle: async (call) => { const reply = base.handle(call); for (let i = 0; i < 3; i++) await turn(); return reply; }",
  ],
  [
    "stop may come twice; one that is restartable starts again and gets its links",
    "stop: () => { if (stopped++) throw new Error('again'); }",
  ],
  [
    "what it exports it takes back, the same entries once",
    "async *exportEntries() { yield* entries; }, async importEntries(all) { for await (const each of all) entries.push(each); return entries.length; }",
  ],
];

test("a provider that breaks a promise fails the behaviour that is about it", () => {
  const door = (room: string) => JSON.stringify(new URL(`../../${room}/index.ts`, import.meta.url).href);
  const one = (make: string) => `
    providerSuite("it", {
      open: () => { const links = new Set(), entries = [{ key: "a", kind: "value", value: "v" }]; let busy = 0, stopped = 0; const base = ${good}; return { provider: { ...base, ${make} } }; },
      refused: [{ bad: "1" }],
      call: { operation: "Do", payload: "hi", answered: (reply) => assert.equal(Buffer.from(reply).toString(), "hi") },
    });`;
  const file = join(folder, "broken.test.mjs");
  writeFileSync(
    file,
    `import assert from "node:assert/strict";
     import { setImmediate as turn } from "node:timers/promises";
     import { fail } from ${door("lattice")};
     import { providerSuite } from ${door("testing")};
     ${["", ...broken.map(([, member]) => member)].map(one).join("\n")}`,
  );
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  const run = spawnSync(process.execPath, ["--test", "--test-reporter=tap", file], { cwd, env, encoding: "utf8" });
  const suites = run.stdout.split(/^# Subtest: it as a provider$|^ {4}# Subtest: it as a provider$/m).slice(1);
  assert.equal(suites.length, broken.length + 1, run.stdout);
  const failed = suites.map((suite) =>
    [...suite.matchAll(/^ +not ok \d+ - (?!it as)(.*)$/gm)].map(([, title]) => title),
  );
  assert.deepEqual(failed[0], [], "one that keeps them passes");
  for (const [at, [title]] of broken.entries())
    assert.ok(failed[at + 1]?.includes(title), `${title}: ${failed[at + 1]?.join()}`);
});

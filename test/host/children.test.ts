import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Link } from "../../capabilities/index.ts";
import { fakeLink } from "../support/capabilities.ts";
import { startUnruly, unrulyLink } from "../support/unruly-child.ts";
import { until } from "../support/until.ts";

const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array) => new TextDecoder().decode(value);

test("a provider in a process of its own answers as it would in this one", async () => {
  await using child = await startUnruly();
  const { provider, call } = child;
  assert.deepEqual([provider.contractId, provider.name, provider.key], ["wasmcloud:keyvalue", "unruly", undefined]);
  assert.notEqual(provider.pid, process.pid);
  assert.equal(await call("Echo", "hello"), "hello");
  assert.equal(await call("Later", "hello"), "hello");
  const big = "x".repeat(5_000_000);
  assert.equal(await call("Echo", big), big);
  const many = await Promise.all(Array.from({ length: 1_000 }, (_, at) => call(at % 2 ? "Echo" : "Later", `${at}`)));
  assert.deepEqual(
    many,
    Array.from({ length: 1_000 }, (_, at) => `${at}`),
  );
  assert.deepEqual(await provider.health(), { healthy: true, message: "fine" });
  await provider.drain();
});

test("it knows its call: link, values, era, origin, hops, trace, deadline", async () => {
  await using child = await startUnruly({ settings: { size: 3 } });
  const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
  const about = JSON.parse(await child.call("About", "", { era: "E2", hops: 4, trace })) as Record<string, unknown>;
  assert.deepEqual(about.values, { url: "somewhere" });
  assert.deepEqual(about.settings, { size: 3 });
  assert.deepEqual([about.era, about.linkedEra, about.hops, about.links], ["E2", "E2", 4, 1]);
  assert.deepEqual(about.trace, trace);
  assert.ok(Number(about.left) > 0 && Number(about.left) <= 30_000);
  assert.equal((about.origin as { key: string }).key, unrulyLink.actor);
});

test("its failures keep their codes, and what is no error of the catalogue its text", async () => {
  await using child = await startUnruly();
  const { call } = child;
  await assert.rejects(call("Throw", "no luck"), { name: "Error", message: "no luck" });
  await assert.rejects(call("Reject", "no luck"), { message: "no luck" });
  await assert.rejects(call("Refuse", "key"), {
    code: "WRONG_TYPE",
    kind: "provider",
    message: /key: it holds a list/,
  });
  await assert.rejects(call("Nonsense"), { code: "REPLY_MALFORMED" });
  await assert.rejects(call("Echo", "", { link: fakeLink({}, { name: "stranger" }) }), { code: "LINK_ABSENT" });
  await assert.rejects(child.provider.putLink(fakeLink({ bad: "1" }, { name: "other" })), {
    code: "LINK_VALUES_INVALID",
  });
  const status = await child.provider.putLink(fakeLink({}, { linkName: "two" }));
  assert.deepEqual(status, { urls: ["unruly:two"] });
  await child.provider.deleteLink(unrulyLink);
  await assert.rejects(call("Echo"), { code: "LINK_ABSENT" });
});

test("it calls actors, and the calls that made it ask are known to the host", async () => {
  const asked: { link: Link; operation: string; payload: string; hops: number | undefined }[] = [];
  await using child = await startUnruly({}, (of, operation, payload, { cause }) => {
    asked.push({ link: of, operation, payload: text(payload), hops: cause?.hops });
    if (text(payload) === "refuse") throw Object.assign(new Error("no"), {});
    return bytes(`${text(payload)}!`);
  });
  assert.equal(await child.call("Ask", "well", { hops: 3 }), "well!");
  assert.equal(asked[0]?.link, unrulyLink);
  assert.deepEqual([asked[0]?.operation, asked[0]?.hops], ["Actor.HealthRequest", 3]);
  await assert.rejects(child.call("Ask", "refuse"), { code: "PROVIDER_FAILED", message: /no$/ });
});

test("its lines reach the host's log, those of an actor that actor's", async () => {
  await using child = await startUnruly();
  const { context } = child;
  await child.call("Log", "of the actor");
  assert.deepEqual(
    context.actorLog.map(({ record }) => record),
    [{ level: "info", text: "of the actor" }],
  );
  await until(() => context.lines.length >= 3);
  const lines = context.lines.map(({ level, text: line }) => `${level} ${line}`).toSorted();
  assert.deepEqual(lines, ["info it starts", "info unruly: a line on stdout", "warn unruly: a line on stderr"]);
  await child.call("LeaveRejection");
  await until(() => context.lines.some(({ text: line }) => /left alone: left alone/.test(line)));
  assert.equal(await child.call("Echo", "still here"), "still here");
});

test("it reaches what is declared, and nothing else of files, network, processes and threads", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lattice-child-"));
  const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
  try {
    await until(() => server.listening);
    const { port } = server.address() as AddressInfo;
    const secret = join(folder, "secret");
    const allowed = join(folder, "allowed");
    writeFileSync(secret, "secret");
    writeFileSync(allowed, "allowed");
    await using child = await startUnruly({ read: [allowed] });
    assert.equal(await child.call("Read", allowed), "allowed");
    for (const [operation, argument] of [
      ["Read", secret],
      ["Read", "/etc/passwd"],
      ["Read", join(process.cwd(), ".git", "HEAD")],
      ["Write", allowed],
      ["Connect", String(port)],
      ["Spawn", ""],
      ["Thread", ""],
    ] as const) {
      await assert.rejects(child.call(operation, argument), /restricted|permission/i, `${operation} ${argument}`);
    }
    await using wider = await startUnruly({ write: [folder], network: true });
    assert.equal(await wider.call("Read", secret), "secret");
    await wider.call("Write", join(folder, "new"));
    assert.equal(readFileSync(join(folder, "new"), "utf8"), "written");
    assert.equal(await wider.call("Connect", String(port)), "connected");
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});

test("secrets show neither in its arguments nor in its environment", { skip: !existsSync("/proc") }, async () => {
  process.env.LATTICE_TEST_SECRET = "hidden in the host";
  try {
    await using child = await startUnruly({ settings: { password: "hidden in settings" } });
    await child.provider.putLink(fakeLink({ password: "hidden in values" }, { revision: 2 }));
    const { pid } = child.provider;
    const seen = readFileSync(`/proc/${pid}/cmdline`, "utf8") + readFileSync(`/proc/${pid}/environ`, "utf8");
    assert.match(seen, /unruly-provider/);
    assert.doesNotMatch(seen, /hidden/);
    const about = JSON.parse(await child.call("About")) as { settings: unknown; values: unknown };
    assert.deepEqual(
      [about.settings, about.values],
      [{ password: "hidden in settings" }, { password: "hidden in values" }],
    );
  } finally {
    delete process.env.LATTICE_TEST_SECRET;
  }
});

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { sqliteKeyvalue } from "../../capabilities/index.ts";
import { SqliteStore } from "../../capabilities/keyvalue-sqlite/store.ts";
import { keyvalueSuite } from "../../testing/index.ts";
import { fakeContext } from "../support/capabilities.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "lattice-sqlite-"));
let files = 0;
const freshPath = () => join(folder, `${files++}.db`);

let now = 1_000_000;
const shared = new SqliteStore({ path: freshPath(), now: () => now });
after(async () => {
  await shared.close();
  rmSync(folder, { recursive: true, force: true });
});

keyvalueSuite("sqlite", async () => {
  await shared.clear("");
  return { store: shared, advance: (ms) => void (now += ms), close: () => undefined };
});

test("what was acknowledged is there after the process was killed", async () => {
  for (let round = 0; round < 2; round++) {
    const path = freshPath();
    const child = spawn(process.execPath, [join(import.meta.dirname, "../support/sqlite-counter.mjs"), path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = 0;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      for (const line of text.split("\n")) if (line !== "") said = Math.max(said, Number(line));
    });
    const gone = new Promise((resolve) => child.once("close", resolve));
    await until(() => said > 100 * (round + 1));
    child.kill("SIGKILL");
    await gone;
    const store = new SqliteStore({ path });
    const held = Number(await store.get("count"));
    assert.ok(held >= said && held <= said + 16, `${held} of ${said}`);
    assert.equal(await store.increment("count", 1), held + 1);
    await store.close();
  }
});

test("a store opened again holds everything, and only its owner may read the file", async () => {
  const path = freshPath();
  const one = new SqliteStore({ path });
  await one.set("text", "v", 3_600);
  await one.listAdd("list", "a");
  await one.setAdd("set", "m");
  await one.close();
  await assert.rejects(one.get("text"), { code: "STOPPED" });
  const other = new SqliteStore({ path });
  assert.equal(await other.get("text"), "v");
  assert.deepEqual(await other.listRange("list", 0, -1), ["a"]);
  assert.deepEqual(await other.setQuery("set"), ["m"]);
  await other.close();
  assert.equal(statSync(path).mode & 0o77, 0);
});

test("a program that does nothing else waits for the store to close, and ends then", () => {
  const source = `
    const { SqliteStore } = await import(${JSON.stringify(import.meta.resolve("../../capabilities/keyvalue-sqlite/store.ts"))});
    const store = new SqliteStore({ path: process.argv[2] });
    await store.set("a", "v", 0);
    await store.close();
    process.stdout.write("closed");
  `;
  const program = join(folder, "closing.mjs");
  writeFileSync(program, source);
  const ended = spawnSync(process.execPath, [program, freshPath()], { encoding: "utf8" });
  assert.deepEqual([ended.status, ended.stdout], [0, "closed"], ended.stderr);
});

test("two stores may share a file: none loses a count of the other", async () => {
  const path = freshPath();
  const [one, other] = [new SqliteStore({ path }), new SqliteStore({ path })];
  await one.open();
  await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      await (i % 2 === 0 ? one : other).increment("c", 1);
    }),
  );
  assert.equal(await one.get("c"), "100");
  await Promise.all([one.close(), other.close()]);
});

test("a step that does not fit fails alone among those that share its transaction", async () => {
  const store = new SqliteStore({ path: freshPath() });
  await store.listAdd("l", "a");
  const [set, misfit, sum] = await Promise.allSettled([
    store.set("a", "v", 0),
    store.increment("l", 1),
    store.increment("c", 1),
  ]);
  assert.equal(set.status, "fulfilled");
  assert.equal(misfit.status, "rejected");
  assert.equal(sum.status === "fulfilled" && sum.value, 1);
  await store.close();
});

test("expired keys that nobody asks for are swept", async () => {
  const path = freshPath();
  let clock = Date.now();
  const store = new SqliteStore({ path, now: () => clock });
  await Promise.all(Array.from({ length: 50 }, (_, i) => store.set(`k${i}`, "v", 1)));
  clock += 2_000;
  assert.equal(await store.count(""), 0);
  const rows = () => {
    using database = new DatabaseSync(path, { readOnly: true });
    return database.prepare("SELECT count(*) AS n FROM keys").get()?.["n"];
  };
  await until(() => rows() === 0);
  await store.close();
});

test("a provider without a usable file does not start, and says why", async () => {
  const start = (path: string) => sqliteKeyvalue({ path }).start(fakeContext());
  await assert.rejects(start(""), { code: "OPTION_OUT_OF_RANGE" });
  await assert.rejects(start(join(folder, "absent", "x.db")), { code: "FILE_UNWRITABLE" });
  const text = freshPath();
  writeFileSync(text, "not a database at all, but long enough to look at ".repeat(20));
  await assert.rejects(start(text), { code: "STORE_UNAVAILABLE", message: /not a database/ });
  const foreign = freshPath();
  const other = new DatabaseSync(foreign);
  other.exec("CREATE TABLE mine (a)");
  other.close();
  await assert.rejects(start(foreign), { code: "FILE_UNREADABLE", message: /another program's/ });
});

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { KeyPair } from "../../lattice/index.ts";
import { storedHostSeed } from "../../host/host-seed.ts";
import { ModuleCache } from "../../host/module-cache.ts";
import { StateStore } from "../../host/state-store.ts";

const root = mkdtempSync("/tmp/wl-state-");
after(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const fresh = (): string => join(root, String(++folders));

const silent = (text: string): void => assert.fail(`unexpected warning: ${text}`);
const same = (value: unknown): unknown => value;
const mode = (path: string): number => statSync(path).mode & 0o777;

test("a value comes back after a restart; files and folder are this user's alone", async () => {
  const folder = fresh();
  const value = { actors: [{ digest: "ab", owner: "file" }], note: "ü\u2028" };
  await (await StateStore.open(folder, silent)).write("wanted", 1, value);
  assert.equal(mode(folder), 0o700);
  assert.equal(mode(join(folder, "wanted.json")), 0o600);
  assert.deepEqual(await (await StateStore.open(folder, silent)).read("wanted", 1, same), value);
  assert.deepEqual(readdirSync(folder), ["wanted.json"]);
});

test("a value that was never written, or removed, is absent", async () => {
  const store = await StateStore.open(fresh(), silent);
  assert.equal(await store.read("wanted", 1, same), undefined);
  await store.write("wanted", 1, 1);
  await store.remove("wanted");
  assert.equal(await store.read("wanted", 1, same), undefined);
});

test("an older version is brought to today's shape", async () => {
  const store = await StateStore.open(fresh(), silent);
  await store.write("wanted", 1, ["a"]);
  const read = await store.read("wanted", 3, (value, from) => ({ from, names: value }));
  assert.deepEqual(read, { from: 1, names: ["a"] });
});

test("writes in a row leave the last value, and each resolves only when it or a later one is on the disk", async () => {
  const folder = fresh();
  const store = await StateStore.open(folder, silent);
  const writes = Array.from({ length: 50 }, (_, n) => store.write("wanted", 1, n));
  await writes[1];
  assert.equal((JSON.parse(readFileSync(join(folder, "wanted.json"), "utf8")) as { value: number }).value, 49);
  await Promise.all(writes);
});

test("a broken file of any kind is set aside with a warning and counts as absent", async () => {
  const breaks: [string, (path: string) => void][] = [
    ["half written", (path) => truncateSync(path, 40)],
    ["empty", (path) => writeFileSync(path, "")],
    ["binary", (path) => writeFileSync(path, new Uint8Array([0, 255, 1]))],
    ["other JSON", (path) => writeFileSync(path, '{"a":1}')],
    ["null", (path) => writeFileSync(path, "null")],
    ["edited", (path) => writeFileSync(path, readFileSync(path, "utf8").replace('"first"', '"other"'))],
    ["newer", (path) => writeFileSync(path, readFileSync(path, "utf8").replace('"version": 1', '"version": 2'))],
  ];
  for (const [name, damage] of breaks) {
    const folder = fresh();
    const warnings: string[] = [];
    const store = await StateStore.open(folder, (text) => warnings.push(text));
    await store.write("wanted", 1, "first");
    damage(join(folder, "wanted.json"));
    assert.equal(await store.read("wanted", 1, same), undefined, name);
    assert.equal(warnings.length, 1, name);
    assert.match(readdirSync(folder).join(), /^wanted\.json\.broken-/, name);
    await store.write("wanted", 1, "second");
    assert.equal(await store.read("wanted", 1, same), "second", name);
  }
});

test("a value that its reader refuses is set aside too, and only so many are kept", async () => {
  const folder = fresh();
  const store = await StateStore.open(folder, () => {});
  for (let n = 0; n < 8; n++) {
    await store.write("wanted", 1, n);
    await store.read("wanted", 1, () => assert.fail("not a list"));
  }
  assert.equal(readdirSync(folder).length, 5);
});

test("a host killed while it writes leaves the old value or the new one", async () => {
  const folder = fresh();
  const program = `
    const { StateStore } = await import(${JSON.stringify(new URL("../../host/state-store.ts", import.meta.url).href)});
    const store = await StateStore.open(${JSON.stringify(folder)}, () => {});
    for (let n = 1; ; n++) { await store.write("wanted", 1, { n, filler: "x".repeat(200_000) }); if (n === 1) console.log("first"); }`;
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, 7 * round));
    child.kill("SIGKILL");
    await once(child, "exit");
    const value = await (await StateStore.open(folder, silent)).read("wanted", 1, same);
    assert.ok(((value as { n: number }).n ?? 0) >= 1);
  }
});

test("leftovers of broken writes are cleared once they are old", async () => {
  const folder = fresh();
  await StateStore.open(folder, silent);
  const [old, young] = [".wanted.json.aa.tmp", ".wanted.json.bb.tmp"].map((name) => join(folder, name)) as [
    string,
    string,
  ];
  writeFileSync(old, "");
  writeFileSync(young, "");
  utimesSync(old, 0, 0);
  await StateStore.open(folder, silent);
  assert.deepEqual([existsSync(old), existsSync(young)], [false, true]);
});

test("names cannot leave the folder", async () => {
  const store = await StateStore.open(fresh(), silent);
  for (const name of ["../x", "a/b", "", ".hidden"]) await assert.rejects(store.write(name, 1, 1), RangeError);
});

test("a host keeps its seed, and hosts that start together agree on one", async () => {
  const folder = fresh();
  const seeds = await Promise.all(Array.from({ length: 8 }, () => storedHostSeed(folder, silent)));
  assert.equal(new Set(seeds).size, 1);
  assert.equal(KeyPair.fromSeed(seeds[0] ?? "").kind, "server");
  assert.equal(mode(join(folder, "host.nk")), 0o600);
  assert.deepEqual(readdirSync(folder), ["host.nk"]);
  chmodSync(join(folder, "host.nk"), 0o644);
  assert.equal(await storedHostSeed(folder, silent), seeds[0]);
  assert.equal(mode(join(folder, "host.nk")), 0o600);
});

test("a seed file that holds none is set aside, a seed of another kind too, and neither is repeated", async () => {
  for (const wrong of ["", "SN", KeyPair.generate("account").seed]) {
    const folder = fresh();
    const warnings: string[] = [];
    await storedHostSeed(folder, silent);
    writeFileSync(join(folder, "host.nk"), wrong);
    const seed = await storedHostSeed(folder, (text) => warnings.push(text));
    assert.equal(KeyPair.fromSeed(seed).kind, "server");
    assert.equal(warnings.length, 1);
    assert.ok(wrong.length < 50 || !warnings.join().includes(wrong));
  }
});

test("modules are kept by digest and checked when read", async () => {
  const folder = fresh();
  const warnings: string[] = [];
  const cache = await ModuleCache.open(folder, (text) => warnings.push(text));
  const bytes = new Uint8Array([0, 97, 115, 109]);
  const digest = await cache.put(bytes);
  assert.equal(await cache.put(bytes), digest);
  assert.deepEqual(new Uint8Array((await cache.get(digest)) ?? []), bytes);
  writeFileSync(join(cache.folder, `${digest}.wasm`), "changed");
  assert.equal(await cache.get(digest), undefined);
  assert.match(warnings.join(), /has changed/);
  assert.equal(await cache.put(bytes), digest);
  assert.ok(await cache.get(digest));
  for (const odd of ["../../etc/passwd", "", "z".repeat(64)]) assert.equal(await cache.get(odd), undefined);
});

const module = (n: number): Uint8Array => new Uint8Array(1_000).fill(n);

test("beyond its bound the cache lets go of what was used longest ago", async () => {
  const cache = await ModuleCache.open(fresh(), silent, { totalBytes: 3_000, moduleBytes: 2_000 });
  const digests = [];
  for (const n of [1, 2, 3]) {
    const digest = await cache.put(module(n));
    utimesSync(join(cache.folder, `${digest}.wasm`), n, n);
    digests.push(digest);
  }
  assert.ok(await cache.get(digests[0] ?? ""));
  const [last, large] = [await cache.put(module(4)), await cache.put(new Uint8Array(2_500))];
  const kept = await Promise.all(
    [...digests, last, large].map(async (digest) => (await cache.get(digest)) !== undefined),
  );
  assert.deepEqual(kept, [true, false, true, true, false]);
});

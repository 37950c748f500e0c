import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { builtins, findBuiltin, formatAddress, parseAddress } from "../../capabilities/index.ts";
import { contractAliases, contractOf, isPublicKey } from "../../lattice/index.ts";

test("every builtin has a provider key of its own that nobody else has", () => {
  const keys = [...builtins.values()].map(({ key }) => key);
  assert.equal(keys.length, builtins.size);
  assert.equal(new Set(keys).size, keys.length);
  for (const key of keys) assert.ok(isPublicKey(key, "service"), key);
});

test("the published references keep their keys", () => {
  const published = Object.fromEntries(
    [...builtins.values()].map(({ reference, key, stateful }) => [reference, [key.slice(0, 8), stateful]]),
  );
  assert.deepEqual(published, {
    "builtin:httpserver": ["VBL2WPIO", false],
    "builtin:httpclient": ["VCLA7QO4", false],
    "builtin:blobstore-files": ["VBMYKUGB", true],
    "builtin:blobstore-nats": ["VBIGB3GP", true],
    "builtin:keyvalue-memory": ["VA3GEC4Z", true],
    "builtin:keyvalue-redis": ["VBJZJQS6", false],
    "builtin:keyvalue-sqlite": ["VAR643LR", true],
    "builtin:keyvalue-nats": ["VDR5IYSE", false],
    "builtin:logging": ["VBOROXVR", false],
    "builtin:numbergen": ["VCJC5SGC", false],
    "builtin:messaging-memory": ["VD6ZPJ5K", true],
    "builtin:messaging-nats": ["VC24QYV7", true],
  });
});

test("a builtin makes a provider of its contract, under its key, each time a new one", () => {
  for (const builtin of builtins.values()) {
    const [one, other] = [builtin.create({}), builtin.create({})];
    assert.notEqual(one, other);
    assert.equal(one.contractId, builtin.contractId);
    assert.equal(one.key, builtin.key);
    assert.equal(one.name, builtin.name);
    assert.equal(one.stateless ?? false, !builtin.stateful);
  }
});

test("a contract id under any of its names means our default for it", () => {
  for (const capability of ["httpserver", "keyvalue", "logging", "numbers", "messaging"] as const) {
    for (const alias of contractAliases(contractOf(capability))) {
      assert.equal(findBuiltin(alias)?.contractId, contractOf(capability), alias);
    }
  }
  assert.equal(findBuiltin("builtin:logging")?.reference, "builtin:logging");
  assert.equal(findBuiltin("wasmcloud:sqldb"), undefined);
  assert.equal(findBuiltin("builtin:nothing"), undefined);
});

test("with child before it a reference, or a contract, means the same in a process of its own", () => {
  for (const text of ["child:builtin:keyvalue-memory", "child:wasmcloud:keyvalue", "child:wascc:keyvalue"]) {
    const found = findBuiltin(text);
    assert.deepEqual([found?.reference, found?.inChild], ["child:builtin:keyvalue-memory", true], text);
    assert.equal(found?.key, findBuiltin("builtin:keyvalue-memory")?.key);
  }
  assert.equal(findBuiltin("child:child:builtin:keyvalue-memory"), undefined);
  assert.equal(findBuiltin("builtin:keyvalue-memory")?.inChild, false);
});

test("what a process of its own may reach follows from its settings, files with their whole path", () => {
  const reach = (name: string, config: Record<string, string> = {}) => findBuiltin(`builtin:${name}`)!.reach(config);
  assert.deepEqual(reach("logging"), { config: {} });
  assert.deepEqual(reach("httpclient"), { config: {}, read: [], network: true });
  assert.deepEqual(reach("messaging-nats", { creds_file: "a.creds", max_pending: "5" }), {
    config: { creds_file: resolve("a.creds"), max_pending: "5" },
    read: [resolve("a.creds")],
    network: true,
  });
  const { config, write, network } = reach("keyvalue-sqlite", { path: "a.db" });
  assert.equal(config["path"], resolve("a.db"));
  assert.deepEqual(
    write,
    ["", "-wal", "-shm", "-journal"].map((end) => resolve("a.db") + end),
  );
  assert.equal(network, undefined);
  assert.ok(reach("keyvalue-memory").memoryMiB! > reach("keyvalue-memory", { max_bytes: "1000000" }).memoryMiB!);
});

function create(reference: string, config: Record<string, string>) {
  return () => findBuiltin(reference)?.create(config);
}

test("configuration is checked: unknown names and values out of range are refused", () => {
  create("builtin:keyvalue-memory", { max_bytes: "1000" })();
  create("builtin:httpserver", { address: "127.0.0.1:0", body_bytes: "10" })();
  create("builtin:messaging-memory", { max_pending: "5", request_timeout_ms: "100" })();
  assert.throws(create("builtin:keyvalue-memory", { max_byte: "1" }), { code: "OPTION_UNKNOWN" });
  assert.throws(create("builtin:keyvalue-memory", { max_bytes: "lots" }), { code: "OPTION_OUT_OF_RANGE" });
  assert.throws(create("builtin:keyvalue-memory", { max_bytes: "0" }), { code: "OPTION_OUT_OF_RANGE" });
  assert.throws(create("builtin:logging", { level: "info" }), { code: "OPTION_UNKNOWN" });
});

test("addresses are read in each form and written back", () => {
  const rows: [string, number | undefined, string | undefined][] = [
    ["127.0.0.1:80", undefined, "127.0.0.1:80"],
    ["localhost:0", undefined, "localhost:0"],
    ["[::1]:80", undefined, "[::1]:80"],
    ["[fe80::1%eth0]:80", undefined, "[fe80::1%eth0]:80"],
    [":8080", undefined, "127.0.0.1:8080"],
    ["8080", undefined, "127.0.0.1:8080"],
    ["0.0.0.0", 81, "0.0.0.0:81"],
    ["[::]", 81, "[::]:81"],
    [" a:1 ", undefined, "a:1"],
    ["a", undefined, undefined],
    ["a:65536", undefined, undefined],
    ["::1:80", undefined, undefined],
    ["a:b", undefined, undefined],
    ["http://a:1", undefined, undefined],
    ["", undefined, undefined],
  ];
  for (const [text, port, expected] of rows) {
    const address = parseAddress(text, port);
    assert.equal(address && formatAddress(address), expected, text);
  }
});

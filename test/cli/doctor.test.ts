import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { checkNames, examine, type Finding } from "../../cli/doctor/checks.ts";
import type { Machine } from "../../cli/doctor/machine.ts";
import { featureNames, missingFeatures } from "../../cli/doctor/wasm-features.ts";
import { Home, failureOf } from "../support/cli.ts";

/** A machine without a fault, in a folder of the test's own. */
function sound(folder: string): Machine {
  mkdirSync(join(folder, "run"), { mode: 0o700, recursive: true });
  return {
    nodeVersion: "26.1.0",
    platform: "linux",
    uid: 1000,
    now: Date.now(),
    port: 0,
    portWanted: false,
    keys: join(folder, "keys"),
    stateFolder: join(folder, "state"),
    runFolder: join(folder, "run"),
    nats: { name: "nats", value: "", origin: "default" },
    wasm: WebAssembly,
    readText: (file) => (file.endsWith("max_map_count") ? "65530\n" : "100 50 20 1 0 30 0\n"),
    list: () => ["user_account.nk"],
    stat: () => ({ mode: 0o600, uid: 1000 }),
    staleSockets: async () => [],
  };
}

const faults: Readonly<
  Record<
    string,
    { readonly plant: (machine: Machine) => Partial<Machine>; readonly status: string; readonly says: RegExp }
  >
> = {
  node: { plant: () => ({ nodeVersion: "24.19.9" }), status: "error", says: /24\.19\.9 cannot run actors/ },
  jspi: {
    plant: ({ wasm }) => ({ wasm: { validate: (bytes) => wasm.validate(bytes) } }),
    status: "error",
    says: /Promise Integration/,
  },
  wasm: {
    plant: ({ wasm }) => ({ wasm: { ...stub, validate: (bytes) => !bytes.includes(0xfd) && wasm.validate(bytes) } }),
    status: "error",
    says: /lacks SIMD/,
  },
  "memory maps": {
    plant: () => ({ readText: (file) => (file.endsWith("max_map_count") ? "20000" : "1 2 3") }),
    status: "warning",
    says: /about 3800 instances/,
  },
  proc: {
    plant: () => ({
      readText: () => {
        throw new Error("no such file");
      },
    }),
    status: "error",
    says: /no such file/,
  },
  keys: { plant: () => ({ stat: () => ({ mode: 0o644, uid: 1000 }) }), status: "error", says: /others may read/ },
  state: {
    plant: ({ stateFolder }) => {
      writeFileSync(stateFolder, "in the way");
      return {};
    },
    status: "error",
    says: /is no folder/,
  },
  run: { plant: () => ({ stat: () => ({ mode: 0o755, uid: 1000 }) }), status: "error", says: /others may enter/ },
  clock: { plant: () => ({ now: 0 }), status: "error", says: /1970/ },
  nats: {
    plant: () => ({ nats: { name: "nats", value: "nats://me:secret@127.0.0.1:1", origin: "$NATS_URL" } }),
    status: "error",
    says: /\$NATS_URL\) does not answer/,
  },
  sockets: { plant: () => ({ staleSockets: async () => ["/run/x/N1.sock"] }), status: "warning", says: /N1\.sock/ },
};

const stub = { Suspending: Object, promising: Object };

describe("doctor", () => {
  test("finds nothing on a sound machine", async () => {
    await using home = new Home();
    const findings = await examine(sound(home.path));
    assert.deepEqual(
      findings.filter(({ status }) => status !== "ok"),
      [],
    );
    assert.deepEqual(
      findings.map(({ name }) => name),
      checkNames,
    );
  });

  for (const [name, { plant, status, says }] of Object.entries(faults)) {
    test(`finds a fault planted in ${name}, and only there, with its fix`, async () => {
      await using home = new Home();
      const machine = sound(home.path);
      const findings = await examine({ ...machine, ...plant(machine) });
      const bad = findings.filter((finding) => finding.status !== "ok");
      const [finding] = bad.filter((one) => one.name === name);
      assert.ok(finding, JSON.stringify(findings));
      assert.equal(finding.status, status);
      assert.match(finding.message, says);
      assert.ok((finding.fix ?? "").length > 5);
      assert.doesNotMatch(JSON.stringify(bad), /secret/);
      // Unreadable proc files are one fault that two lines see.
      const alsoSeen = name === "proc" ? ["memory maps"] : name === "keys" ? ["run"] : name === "run" ? ["keys"] : [];
      assert.deepEqual(
        bad.map((one) => one.name).filter((one) => one !== name && !alsoSeen.includes(one)),
        [],
      );
    });
  }

  test("finds a port in use: a warning, or an error when that port was asked for", async () => {
    await using home = new Home();
    await using server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const [offered] = await examine({ ...sound(home.path), port }, ["port"]);
    assert.deepEqual([offered?.status, /it is in use/.test(offered?.message ?? "")], ["warning", true]);
    const [wanted] = await examine({ ...sound(home.path), port, portWanted: true }, ["port"]);
    assert.equal(wanted?.status, "error");
  });

  test("has a planted fault for every line", () => {
    assert.deepEqual([...Object.keys(faults), "port"].toSorted(), checkNames.toSorted());
  });

  test("asks the engine about every proposal that guests may use", () => {
    assert.deepEqual(
      missingFeatures(() => false),
      featureNames,
    );
    assert.deepEqual(
      missingFeatures((bytes) => WebAssembly.validate(bytes)),
      [],
    );
  });

  test("as a command exits with 7 when a check fails, and shows every line all the same", async () => {
    await using home = new Home();
    const keys = join(home.path, ".wash", "keys");
    mkdirSync(keys, { recursive: true });
    writeFileSync(join(keys, "user_account.nk"), "x");
    chmodSync(keys, 0o755);
    const finished = await home.run(["doctor", "-o", "json", "--port", "0"]);
    assert.equal(finished.code, 7);
    const { success, checks } = JSON.parse(finished.stdout) as { success: boolean; checks: Finding[] };
    assert.equal(success, false);
    assert.deepEqual(
      checks.filter(({ status }) => status === "error").map(({ name }) => name),
      ["keys"],
    );
    assert.equal(failureOf(finished).code, "PRECONDITION");

    chmodSync(keys, 0o700);
    chmodSync(join(keys, "user_account.nk"), 0o600);
    const well = await home.run(["doctor", "--port", "0"]);
    assert.equal(well.code, 0, well.stdout + well.stderr);
    assert.match(well.stdout, /^ok {7}node/);
  });
});

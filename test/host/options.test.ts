import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { type HostOptions, compileOptions } from "../../host/options.ts";
import { compileLimits, limitNames, limitTable } from "../../host/limits.ts";
import { nearestName } from "../../host/nearest-name.ts";
import { stateDirectory, runDirectory } from "../../host/state-directory.ts";

const seed = `SN${"A".repeat(56)}`;

/** Options as plain JavaScript gives them, unchecked. */
const untyped = (options: object): HostOptions => options;

test("a host without options gets the documented defaults, frozen", () => {
  const config = compileOptions();
  assert.equal(config.lattice, "default");
  assert.equal(config.engines, 0);
  assert.equal(config.strict, false);
  assert.equal(config.controlSocket, false);
  assert.equal(config.logLevel, "warn");
  assert.equal(config.limits.cpuMs, 500);
  assert.equal(config.limits.sliceMs, 2);
  assert.equal(config.limits.memoryBytes, 64 * 1024 * 1024);
  assert.equal(config.limits.callTimeoutMs, 10_000);
  assert.equal(config.limits.rpcTimeoutMs, 2_000);
  assert.equal(config.limits.hops, 16);
  assert.equal(config.limits.httpHeaderBytes, 16 * 1024);
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.limits) && Object.isFrozen(config.labels));
});

test("an option set to undefined means its default", () => {
  assert.equal(compileOptions({ lattice: undefined, limits: { cpuMs: undefined } }).limits.cpuMs, 500);
});

test("an unknown option is refused with the nearest name", () => {
  assert.throws(() => compileOptions(untyped({ latice: "shop" })), {
    code: "OPTION_UNKNOWN",
    message: "there is no option latice; did you mean lattice?",
  });
  assert.throws(
    () => compileOptions({ limits: { cpu_ms: 3 } as object }),
    /limits\.cpu_ms; did you mean limits\.cpuMs\?/,
  );
  assert.throws(() => compileOptions(untyped({ zebra: 1 })), { message: "there is no option zebra" });
});

test("a value out of range is refused naming option, value and range", () => {
  assert.throws(() => compileOptions({ limits: { cpuMs: 0 } }), {
    code: "OPTION_OUT_OF_RANGE",
    message: "limits.cpuMs is 0, it must be a whole number from 1 to 3600000",
  });
  const wrong: [object, RegExp][] = [
    [{ engines: -1 }, /engines is -1/],
    [{ engines: 1.5 }, /engines is 1.5/],
    [{ lattice: "a.b" }, /lattice is "a\.b"/],
    [{ strict: "yes" }, /strict is "yes", it must be true or false/],
    [{ logLevel: "loud" }, /logLevel is "loud", it must be one of trace, debug/],
    [{ metricsAddress: "9090" }, /metricsAddress is "9090", it must be host:port/],
    [{ metricsAddress: "localhost:70000" }, /metricsAddress/],
    [{ controlSocket: "relative.sock" }, /controlSocket is "relative.sock"/],
    [{ labels: { "hostcore.os": "plan9" } }, /labels\.hostcore\.os is plan9|labels\.hostcore\.os is "plan9"/],
    [{ labels: { zone: 3 } }, /labels\.zone is 3/],
    [{ limits: { queue: "many" } }, /limits\.queue is many/],
    [{ policy: 7 }, /policy/],
    [{ middleware: {} }, /middleware/],
  ];
  for (const [options, message] of wrong) {
    assert.throws(() => compileOptions(untyped(options)), { code: "OPTION_OUT_OF_RANGE", message });
  }
});

test("every limit accepts both ends of its range and refuses what lies beyond", () => {
  for (const name of limitNames) {
    const { min, max } = limitTable[name];
    assert.equal(compileLimits({ [name]: min })[name], min);
    assert.equal(compileLimits({ [name]: max })[name], max);
    for (const beyond of [min - 1, max + 1, Number.NaN, min + 0.5]) {
      assert.throws(() => compileLimits({ [name]: beyond }), { code: "OPTION_OUT_OF_RANGE" }, `${name} ${beyond}`);
    }
  }
});

test("user labels join the host's own", () => {
  const { labels } = compileOptions({ labels: { zone: "b" } });
  assert.equal(labels["zone"], "b");
  assert.ok(labels["hostcore.os"] && labels["hostcore.arch"] && labels["hostcore.osfamily"]);
});

test("the host seed shows neither in the printed configuration nor in the error about a wrong one", () => {
  const config = compileOptions({ hostSeed: seed });
  assert.equal(config.hostSeed, seed);
  assert.ok(!JSON.stringify(config).includes(seed) && !inspect(config).includes(seed));
  const wrong = seed.replace("SN", "SU");
  assert.throws(
    () => compileOptions({ hostSeed: wrong }),
    (error: Error) => !error.message.includes(wrong) && /hostSeed is not a key/.test(error.message),
  );
  assert.throws(
    () => compileOptions({ issuers: [seed] }),
    (error: Error) => !error.message.includes(seed) && /issuers\[0\]/.test(error.message),
  );
});

test("the nearest name forgives case, dashes, swapped and missing letters, and stays silent otherwise", () => {
  const names = ["capabilities", "actors", "link_name", "labels"];
  assert.equal(nearestName("capabilites", names), "capabilities");
  assert.equal(nearestName("LINK-NAME", names), "link_name");
  assert.equal(nearestName("acotrs", names), "actors");
  assert.equal(nearestName("zebra", names), "");
  assert.equal(nearestName("a".repeat(1_000_000), names), "");
});

test("folders follow the XDG variables and ignore relative ones", () => {
  assert.equal(stateDirectory({ XDG_STATE_HOME: "/var/s", HOME: "/home/u" }), "/var/s/wasmlattice");
  assert.equal(stateDirectory({ XDG_STATE_HOME: "s", HOME: "/home/u" }), "/home/u/.local/state/wasmlattice");
  assert.equal(runDirectory({ XDG_RUNTIME_DIR: "/run/user/7", HOME: "/home/u" }), "/run/user/7/wasmlattice");
  assert.equal(runDirectory({ HOME: "/home/u" }), "/home/u/.local/state/wasmlattice/run");
});

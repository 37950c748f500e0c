import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Home, checkout, failureOf, ready } from "../support/cli.ts";
import { until } from "../support/until.ts";

const examples = join(checkout, "actors", "examples");
const counter = join(examples, "kvcounter-rust", "kvcounter.wasm");
const dice = join(examples, "dice-rust", "dice.wasm");
const echo = join(examples, "echo-c", "echo.wasm");
const pinger = join(examples, "pinger-rust", "pinger.wasm");
const ponger = join(examples, "ponger-rust", "ponger.wasm");

async function get(url: string | undefined): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url ?? "");
  return { status: response.status, body: await response.json() };
}

describe("lattice run", () => {
  test("says with -o json, in one first line, what runs and where, and serves it", async () => {
    await using home = new Home();
    const running = home.start(["run", counter, dice, "--port", "0", "-o", "json"]);
    const { success, host, actors, providers, links } = await ready(running);
    assert.equal(success, true);
    assert.match(host.id, /^N[A-Z2-7]{55}$/);
    assert.deepEqual(
      actors.map(({ name, image_ref, era }) => [name, image_ref, era]),
      [
        ["Key-value counter", counter, "E4"],
        ["Dice", dice, "E4"],
      ],
    );
    assert.deepEqual(Object.keys(actors[0] ?? {}), ["id", "name", "image_ref", "era", "urls"]);
    assert.deepEqual(Object.keys(providers[0] ?? {}), ["id", "contract_id", "link_name", "name"]);
    assert.deepEqual(providers.map(({ contract_id }) => contract_id).toSorted(), [
      "wasmcloud:builtin:logging",
      "wasmcloud:builtin:numbergen",
      "wasmcloud:httpserver",
      "wasmcloud:keyvalue",
    ]);
    assert.equal(links.length, 5);
    assert.notEqual(actors[0]?.urls[0], actors[1]?.urls[0]);
    assert.deepEqual(await get(`${actors[0]?.urls[0]}/a`), { status: 200, body: { counter: 1, path: "/a" } });
    assert.deepEqual(await get(`${actors[0]?.urls[0]}/a`), { status: 200, body: { counter: 2, path: "/a" } });
    assert.equal((await get(`${actors[1]?.urls[0]}/3`)).status, 200);

    running.child.kill("SIGINT");
    const { code, stdout } = await running.finished;
    assert.equal(code, 0);
    assert.equal(stdout.trim().split("\n").length, 1);
  });

  test("prints a table, the URL and three things to try, and drains on SIGTERM", async () => {
    await using home = new Home();
    const running = home.start(["run", echo, "--port", "0"]);
    await until(() => running.stdout().includes("Ctrl-C drains"));
    assert.match(running.stdout(), /ACTOR .*URL\nEcho \(C\) .*http:\/\/127\.0\.0\.1:\d+/);
    assert.equal(running.stdout().split("Try:")[1]?.trim().split("\n").length, 4);
    running.child.kill("SIGTERM");
    const { code, stderr } = await running.finished;
    assert.equal(code, 0);
    assert.match(stderr, /Draining host .*\n(.*\n)*Host \S+ has stopped/);
  });

  test("listens on the port asked for, and ends with 6 and what to do when it is taken", async () => {
    await using home = new Home();
    const server = createServer().listen(0, "127.0.0.1");
    await until(() => server.listening);
    const { port } = server.address() as AddressInfo;
    const taken = await home.run(["run", echo, "--port", String(port), "-o", "json"]);
    assert.equal(taken.code, 6);
    assert.equal(failureOf(taken).code, "ADDRESS_UNAVAILABLE");
    assert.equal(taken.stdout, "");
    server.close();
    await until(() => !server.listening);
    const running = home.start(["run", echo, "--port", String(port), "-o", "json"]);
    const { actors } = await ready(running);
    assert.deepEqual(actors[0]?.urls, [`http://127.0.0.1:${port}`]);
  });

  test("reads a module from standard input", async () => {
    await using home = new Home();
    const running = home.start(["run", "-", "--port", "0", "-o", "json"]);
    running.child.stdin?.end(readFileSync(echo));
    const { actors } = await ready(running);
    assert.equal(actors[0]?.name, "Echo (C)");
  });

  test("fetches a module by URL", async () => {
    await using home = new Home();
    const server = createServer((_, response) => response.end(readFileSync(echo))).listen(0, "127.0.0.1");
    await until(() => server.listening);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/echo.wasm`;
    const running = home.start(["run", url, "--port", "0", "-o", "json"]);
    const { actors } = await ready(running);
    assert.equal(actors[0]?.image_ref, url);
    server.close();
  });

  test("lets one actor call another by its alias", async () => {
    await using home = new Home();
    const running = home.start(["run", pinger, ponger, "--port", "0", "-o", "json"]);
    const { actors } = await ready(running);
    const { status, body } = await get(`${actors[0]?.urls[0]}/`);
    assert.equal(status, 200, JSON.stringify(body));
  });

  test("refuses an unsigned module, and runs it with --dev, loudly", async () => {
    await using home = new Home();
    const file = join(home.path, "bare.wasm");
    writeFileSync(file, withoutCustomSections(readFileSync(echo)));
    const refused = await home.run(["run", file, "--port", "0", "-o", "json"]);
    assert.equal(refused.code, 4);
    assert.equal(failureOf(refused).code, "MODULE_UNSIGNED");
    assert.match(String(failureOf(refused).hint), /claims sign .*--dev/);
    const running = home.start(["run", file, "--port", "0", "-o", "json", "--dev"]);
    const { actors } = await ready(running);
    assert.equal(actors[0]?.name, "bare");
    assert.match(running.stderr(), /warning: --dev/);
  });

  test("warns of a contract without a provider and runs all the same", async () => {
    await using home = new Home();
    copyFileSync(echo, join(home.path, "odd.wasm"));
    const signed = await home.run(["claims", "sign", "odd.wasm", "-q", "--cap", "acme:thing", "-d", "odd_s.wasm"]);
    assert.equal(signed.code, 0, signed.stderr);
    const running = home.start(["run", "odd_s.wasm", "--port", "0", "-o", "json"]);
    const { actors } = await ready(running);
    assert.equal(actors.length, 1);
    assert.match(running.stderr(), /warning: no provider here for acme:thing/);
  });

  test("takes link values by --set and refuses those of contracts that nobody claims", async () => {
    await using home = new Home();
    const running = home.start(["run", echo, "--set", "httpserver:address=127.0.0.1:0", "-o", "json"]);
    assert.match((await ready(running)).actors[0]?.urls[0] ?? "", /^http:\/\/127\.0\.0\.1:\d+$/);
    const unclaimed = await home.run(["run", echo, "--port", "0", "--set", "keyvalue:x=y"]);
    assert.deepEqual([unclaimed.code, /no module claims/.test(unclaimed.stderr)], [2, true]);
  });

  test("refuses modules that are absent, tampered with or no modules, each with its own code", async () => {
    await using home = new Home();
    const bytes = readFileSync(echo);
    bytes[bytes.indexOf("memory")] = 0x6e;
    writeFileSync(join(home.path, "tampered.wasm"), bytes);
    writeFileSync(join(home.path, "text.wasm"), "hello");
    for (const [file, exit, code] of [
      ["absent.wasm", 3, "FILE_ABSENT"],
      ["tampered.wasm", 4, "MODULE_TAMPERED"],
      ["text.wasm", 2, "MODULE_NOT_WASM"],
      ["registry/some/actor:1.0", 2, "REFERENCE_UNKNOWN"],
    ] as const) {
      const failed = await home.run(["run", file, "--port", "0", "-o", "json"]);
      assert.deepEqual([failed.code, failureOf(failed).code], [exit, code], file);
    }
  });
});

/** The module without token and names. */
function withoutCustomSections(bytes: Uint8Array): Uint8Array {
  const kept = [Buffer.from(bytes.subarray(0, 8))];
  for (let at = 8; at < bytes.length;) {
    const start = at;
    const id = bytes[at++];
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0;
      length |= (byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) break;
    }
    at += length;
    if (id !== 0) kept.push(Buffer.from(bytes.subarray(start, at)));
  }
  return Buffer.concat(kept);
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { example } from "../support/examples.ts";
import { LatticeProcesses } from "../support/lattice-processes.ts";
import { natsSkip } from "../support/nats-server.ts";

const skip = natsSkip();
const reference = "builtin:keyvalue-memory";

test("the command line sends a store to another host, and the count goes on", { skip }, async () => {
  await using lattice = await LatticeProcesses.start([], []);
  const [one = "", two = ""] = lattice.hosts;
  await lattice.json("start", "actor", example("kvcounter-rust"), "--host-id", one);
  await lattice.json("start", "provider", reference, "--host-id", one);
  await lattice.json("link", "put", "kvcounter", "wasmcloud:keyvalue");
  const request = '{"method":"GET","path":"/tea","queryString":"","header":{},"body":""}';
  const count = async () => {
    const { stdout, stderr } = await lattice.run("call", "kvcounter", "HttpServer.HandleRequest", request);
    return Number(/counter\D+(\d+)/.exec(stdout)?.[1] ?? assert.fail(`${stdout}${stderr}`));
  };
  assert.deepEqual([await count(), await count()], [1, 2]);
  const moved = await lattice.run("swap", "keyvalue", "--to-host", two, "--copy-state", "--trial", "0");
  assert.match(moved.stdout, /Swapped keyvalue for key-value in memory \(V\w+\) on .*, 0 lost/);
  assert.match(moved.stderr, /known\s+0 other hosts know the way/);
  assert.equal(await count(), 3);
  const providers = await lattice.rows("providers", "get", "providers");
  assert.deepEqual(
    providers.map(({ host_id: host }) => host),
    [two],
  );
  const back = await lattice.json("swap", "keyvalue", "memory", "--to-host", one, "--copy-state", "--trial", "0");
  assert.deepEqual([back["outcome"], back["lost"], back["keys_copied"]], ["swapped", 0, 1]);
  assert.equal(await count(), 4);
  const absent = await lattice.run("swap", "keyvalue", "--to-host", "nobody");
  assert.equal(absent.code, 3, absent.stderr);
});

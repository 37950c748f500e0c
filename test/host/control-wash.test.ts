import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyPair } from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";
import { ControlLattice } from "../support/control-client.ts";
import { natsSkip } from "../support/nats-server.ts";
import { artifact, Registry, withoutRegistry } from "../support/registry.ts";
import { until } from "../support/until.ts";
import { Wash, withoutWash } from "../support/wash.ts";

const skip = withoutWash || withoutRegistry || natsSkip();

void test(
  "the real wash drives a host: start, scale, link, call, update, stop, and waits for nothing",
  { skip },
  async () => {
    await using registry = await Registry.start();
    await using lattice = await ControlLattice.start();
    using wash = new Wash();
    const host = await lattice.host();
    const module = KeyPair.generate("module");
    const issuer = KeyPair.generate("account");
    const [first, second] = await Promise.all(
      [1, 2].map(async (revision) => {
        const bytes = obedient({ name: "Echo", module, issuer, revision, capabilities: ["wasmcloud:keyvalue"] });
        const { manifest, blobs } = artifact(bytes);
        await registry.put("echo", String(revision), manifest, blobs);
        return `${registry.host}/echo:${revision}`;
      }),
    );
    const { port } = lattice.server;
    const at = ["--ctl-host", "127.0.0.1", "--ctl-port", String(port), "--timeout-ms", "5000"];
    const provider = "VA3GEC4Z2YSMYM34XVAIZH4VEV24EFUT3BN6KXJWFKUWRF6VHKIGGH64";
    const ask = (...args: string[]) => wash.jsonAsync(...args, ...at);

    const { hosts } = (await ask("get", "hosts")) as { hosts: { id: string }[] };
    assert.deepEqual(
      hosts.map(({ id }) => id),
      [host.id],
    );
    const started = await ask("start", "actor", first!, "--host-id", host.id);
    assert.equal(started["actor_id"], module.publicKey);
    const up = await ask("start", "provider", "builtin:keyvalue-memory", "--host-id", host.id);
    assert.equal(up["provider_id"], provider);
    await ask("scale", "actor", host.id, first!, "--count", "5");
    await until(() => [...host.wanted.placements.values()][0]?.spec.limits.instances === 5);
    const { inventories } = (await ask("get", "inventory", host.id)) as {
      inventories: {
        actors: { id: string; image_ref: string; instances: { max_concurrent: number }[] }[];
        providers: { id: string }[];
      }[];
    };
    assert.deepEqual([inventories[0]!.actors[0]!.id, inventories[0]!.providers[0]!.id], [module.publicKey, provider]);
    assert.deepEqual(
      inventories[0]!.actors[0]!.instances.map(({ max_concurrent }) => max_concurrent),
      [5],
      "this wash reads the older name of the scale",
    );

    await ask("link", "put", module.publicKey, provider, "wasmcloud:keyvalue");
    const { links } = (await ask("link", "query")) as { links: { actor_id: string }[] };
    assert.deepEqual(
      links.map(({ actor_id }) => actor_id),
      [module.publicKey],
    );
    const { claims } = (await ask("get", "claims")) as { claims: { name?: string }[] };
    assert.ok(claims.some(({ name }) => name === "Echo"));
    const call = ["call", module.publicKey, "Echo", "{}", "--rpc-host", "127.0.0.1", "--rpc-port", String(port)];
    const called = await wash.jsonAsync(...call, "--cluster-seed", lattice.clusterSeed);
    assert.equal(called["success"], true);
    assert.equal((await ask("update", "actor", host.id, module.publicKey, second!))["success"], true);
    assert.equal([...host.wanted.placements.values()][0]!.spec.module.claims.revision, 2);

    await ask("link", "del", module.publicKey, "wasmcloud:keyvalue");
    await ask("stop", "actor", host.id, module.publicKey);
    await ask("stop", "provider", host.id, provider, "default", "wasmcloud:keyvalue");
    assert.equal(host.wanted.placements.size + host.wanted.providers.size + host.wanted.links.size, 0);
    await ask("stop", "host", host.id);
    await until(() => host.state === "stopped");
  },
);

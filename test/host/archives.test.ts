import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type ActorHandle, type Host, type HostOptions, startHost } from "../../host/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { archiveOf, archiveProgram } from "../support/archives.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { watchedConnection } from "../support/nats-connections.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import { userTokens } from "../support/nats-tokens.ts";
import { isAlive } from "../support/unruly-child.ts";
import { until } from "../support/until.ts";

const skip = natsSkip();
const folder = mkdtempSync(join(tmpdir(), "lattice-archives-"));
let server: NatsServer;
before(async () => {
  if (skip === false) server = await NatsServer.start();
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const managed = { "wasmcloud.dev/managed-by": "somebody" };
/** Time enough for a program to answer on a busy machine. */
const patient = { rpcTimeoutMs: 20_000, callTimeoutMs: 60_000 };
const host = ({ limits = {}, ...more }: HostOptions = {}) =>
  startHost({ nats: server.url, stateDirectory: folder, lattice: "shop", ...more, limits: { ...patient, ...limits } });

function par(bytes: Uint8Array = archiveOf()): string {
  const file = join(folder, `${Math.random()}.par`);
  writeFileSync(file, bytes);
  return file;
}

const asking =
  (of: Host, actor: ActorHandle) =>
  async (operation: string, payload = "", timeoutMs = 20_000): Promise<string> =>
    Buffer.from(await of.call(actor, "Call", askHost("demo:archive", operation, payload), { timeoutMs })).toString();

const pidOf = (of: Host) => ([...of.fleet.objects.values()][0] as unknown as { pid: number | undefined }).pid;

test("an archive runs: called, linked, relinked, calling back, well, and stopped", { skip }, async () => {
  await using shop = await host();
  const file = par();
  const actor = await shop.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  const provider = await shop.startProvider(file, { config: { size: "3" } });
  assert.deepEqual([provider.name, provider.contractId], ["Archived", "demo:archive"]);
  assert.equal([...shop.wanted.providers.values()][0]?.reference, file);
  await shop.link(actor, provider, { values: { url: "one" } });
  const ask = asking(shop, actor);
  assert.equal(await ask("Echo", "hello"), "hello");
  assert.equal(await ask("Values"), '{"url":"one"}');
  await shop.link(actor, provider, { values: { url: "two" } });
  assert.equal(await ask("Values"), '{"url":"two"}');
  assert.match(await ask("Nonsense"), /Archived failed Nonsense: no operation Nonsense/);
  const health = await [...shop.fleet.objects.values()][0]?.health?.();
  assert.deepEqual(health, { healthy: true, message: "as ever" });
  const pid = pidOf(shop);
  assert.ok(isAlive(pid));
  await shop.stopProvider(provider);
  assert.ok(!isAlive(pid));
});

test("its program knows what 0.82 would tell it, and no secret of the host", { skip }, async () => {
  const cluster = KeyPair.generate("cluster");
  await using shop = await host({ clusterSeed: cluster.seed });
  const actor = await shop.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  const provider = await shop.startProvider(par(), { config: { size: "3" } });
  await shop.link(actor, provider, { values: { url: "one" } });
  const about = JSON.parse(await asking(shop, actor)("About")) as {
    host: Record<string, unknown>;
    environment: Record<string, string>;
    arguments: string[];
    program: string;
  };
  const { host: told } = about;
  assert.equal(told.host_id, shop.id);
  assert.equal(told.provider_key, provider.id);
  assert.equal(told.link_name, "default");
  assert.equal(told.config_json, '{"size":"3"}');
  assert.equal(told.lattice_rpc_url, server.url);
  assert.match(String(told.lattice_rpc_prefix), /^archive_/);
  assert.deepEqual(told.otel_config, { traces_exporter: null, exporter_otlp_endpoint: null });
  assert.notEqual(told.invocation_seed, cluster.seed);
  assert.ok((told.cluster_issuers as string[]).includes(KeyPair.fromSeed(String(told.invocation_seed)).publicKey));
  assert.ok(!(told.cluster_issuers as string[]).includes(cluster.publicKey));
  assert.deepEqual(about.environment, { OTEL_TRACES_EXPORTER: "", OTEL_EXPORTER_OTLP_ENDPOINT: "" });
  assert.deepEqual(about.arguments, []);
  assert.equal(statSync(about.program).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, "programs")).mode & 0o777, 0o700);
});

test("it calls actors that are linked to it and claim its contract, and nobody else", { skip }, async () => {
  await using shop = await host();
  const actor = await shop.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  const stranger = await shop.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  const provider = await shop.startProvider(par());
  await shop.link(actor, provider);
  const ask = asking(shop, actor);
  assert.equal(await ask("Ask", "well"), "well");
  assert.match(await ask("AskStranger", stranger.id), /missing link definition/);
});

test("payloads over the limit of one message cross all four ways, and their store goes with it", { skip }, async () => {
  await using shop = await host({ limits: { cpuMs: 10_000 } });
  const actor = await shop.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  const provider = await shop.startProvider(par());
  await shop.link(actor, provider);
  const ask = async (operation: string, payload: string): Promise<Uint8Array> =>
    await shop.call(actor, "Call", askHost("demo:archive", operation, payload), { timeoutMs: 20_000 });
  const large = "x".repeat(1_500_000);
  assert.ok(Buffer.from(large).equals(await ask("Echo", large)), "to the program and back");
  assert.equal(Buffer.from(await ask("AskLarge", "")).toString(), String(large.length), "to an actor and back");
  await using client = await watchedConnection({ servers: server.url });
  await client.connected();
  const { host: told } = JSON.parse(await asking(shop, actor)("About")) as { host: Record<string, unknown> };
  const stream = `$JS.API.STREAM.INFO.OBJ_${String(told["lattice_rpc_prefix"])}`;
  const about = async () => {
    const { payload } = await client.bus.request(stream, new Uint8Array(), { timeoutMs: 20_000 });
    return JSON.parse(Buffer.from(payload).toString()) as { error?: { code: number } };
  };
  assert.equal((await about()).error, undefined);
  await shop.stopProvider(provider);
  assert.equal((await about()).error?.code, 404);
});

test("a user that may listen in the host's lattice only has the archive's lattice within it", { skip }, async () => {
  const heard = ["wasmbus.*.shop", "wasmbus.*.shop.>", "wasmlattice.>", "_INBOX.>"];
  const permissions = `publish: ">", subscribe: ${JSON.stringify(heard)}`;
  const users = `users: [{ user: all, password: x, permissions: { ${permissions} } }]`;
  await using narrow = await NatsServer.start({ config: `no_auth_user: all\nauthorization { ${users} }` });
  await using shop = await host({ nats: narrow.url });
  const actor = await shop.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  await shop.link(actor, await shop.startProvider(par()));
  const { host: told } = JSON.parse(await asking(shop, actor)("About", "", 20_000)) as {
    host: Record<string, unknown>;
  };
  assert.match(String(told["lattice_rpc_prefix"]), /^shop\.archive_/);
});

test("it speaks over the servers that are named for providers", { skip }, async () => {
  await using shop = await host({ nats: { rpc: "nats://127.0.0.1:1", control: server.url, provider: server.url } });
  const actor = await shop.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  await shop.link(actor, await shop.startProvider(par()));
  const { host: told } = JSON.parse(await asking(shop, actor)("About")) as { host: Record<string, unknown> };
  assert.equal(told["lattice_rpc_url"], server.url);
});

test("a program planted in its place is replaced before it runs", { skip }, async () => {
  const [name] = readdirSync(join(folder, "programs"));
  const path = join(folder, "programs", name!);
  // Of the same length, so that only its content tells.
  writeFileSync(path, "#!/bin/sh\nexit 9\n".padEnd(archiveProgram.length, "#"));
  await using shop = await host();
  const actor = await shop.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  await shop.link(actor, await shop.startProvider(par()));
  assert.equal(await asking(shop, actor)("Echo", "hello"), "hello");
  assert.deepEqual(readFileSync(path), archiveProgram);
});

test("one that ends is gone at once, one that hangs is ended by stop", { skip }, async () => {
  await using shop = await host();
  const actor = await shop.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  const provider = await shop.startProvider(par());
  await shop.link(actor, provider);
  const ask = asking(shop, actor);
  assert.match(await ask("Exit"), /Archived is gone: it exited with code 5/);
  const again = shop.fleet.objects.values().next().value;
  const health = await again?.health?.();
  assert.equal(health?.healthy, false);
  await until(async () => (await ask("Echo", "again")) === "again");
  assert.equal(await ask("Values"), "{}", "linked again");
  await shop.stopProvider(provider);

  const other = await shop.startProvider(par());
  await shop.link(actor, other);
  const pid = pidOf(shop);
  assert.match(await ask("Spin", "", 200).catch(String), /did not answer|DEADLINE|deadline/i);
  assert.ok(isAlive(pid));
  await shop.stopProvider(other);
  await until(() => !isAlive(pid));
});

test("what may not run is refused before anything is unpacked or started", { skip }, async () => {
  const other = KeyPair.generate("account");
  await using shop = await host({ issuers: [other.publicKey] });
  await assert.rejects(shop.startProvider(par()), { code: "ISSUER_NOT_ALLOWED" });
  const tampered = Buffer.from(archiveOf({ issuer: other }));
  tampered[tampered.indexOf("import ")]! ^= 1;
  await assert.rejects(shop.startProvider(par(tampered)), { code: "ARCHIVE_TAMPERED" });
  await assert.rejects(shop.startProvider(par(archiveOf({ issuer: other, expiresAt: 1_000 }))), {
    code: "TOKEN_EXPIRED",
  });
  await assert.rejects(shop.startProvider(par(), { files: false }), { code: "REFERENCE_UNKNOWN" });
  await assert.rejects(shop.startProvider(join(folder, "absent.par")), { code: "FILE_ABSENT" });
  const mute = archiveOf({ issuer: other, program: Buffer.from("#!/bin/sh\necho no luck >&2\nexit 3\n") });
  await assert.rejects(shop.startProvider(par(mute)), {
    code: "PROVIDER_GONE",
    message: /exited with code 3: no luck/,
  });
  const nonsense = archiveOf({ issuer: other, program: Buffer.from("no program") });
  await assert.rejects(shop.startProvider(par(nonsense)), { code: "PROVIDER_GONE" });
  assert.equal(shop.wanted.providers.size, 0);
});

test("a host that remembers runs its archives again, of the bytes that it had", { skip }, async () => {
  const options = { hostSeed: KeyPair.generate("server").seed, remember: true, lattice: "kept" };
  await using first = await host(options);
  const file = par();
  const provider = await first.startProvider(file, {
    config: { size: "3" },
    linkName: "kept",
    annotations: { a: "b" },
  });
  await first.stop();
  rmSync(file);

  await using second = await host(options);
  const [record] = [...second.wanted.providers.values()];
  const { key, linkName, config } = record!.spec;
  assert.deepEqual([key, linkName, config["size"]], [provider.id, "kept", "3"]);
  assert.deepEqual([record!.reference, record!.annotations], [file, { a: "b" }]);
  const actor = await second.startActor(edgeActor({ capabilities: ["demo:archive"] }), { annotations: managed });
  await second.link(actor, provider.id, { linkName: "kept" });
  const answer = await second.call(actor, "Call", askHost("demo:archive", "Echo", "hello", "kept"));
  assert.equal(Buffer.from(answer).toString(), "hello");
  await second.stopProvider(provider.id, "kept");
  await second.stop();

  await using third = await host(options);
  assert.equal(third.wanted.providers.size, 0, "what was stopped stays stopped");
});

test("a program gets the credentials of the host's file, read at each start", { skip }, async () => {
  const user = userTokens();
  await using closed = await NatsServer.start({ config: user.serverConfig });
  const credsFile = join(folder, "user.creds");
  writeFileSync(credsFile, user.creds);
  await using shop = await startHost({
    nats: { servers: closed.url, credsFile },
    stateDirectory: folder,
    limits: patient,
  });
  const actor = await shop.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  const provider = await shop.startProvider(par());
  await shop.link(actor, provider);
  const { host: told } = JSON.parse(await asking(shop, actor)("About")) as { host: Record<string, unknown> };
  assert.deepEqual([told.lattice_rpc_user_jwt, told.lattice_rpc_user_seed], [user.jwt, user.seed]);
  await shop.stopProvider(provider);
  writeFileSync(credsFile, "nothing");
  await assert.rejects(shop.startProvider(par()), (error: Error & { code?: string }) => {
    assert.equal(error.code, "NATS_CREDENTIALS");
    assert.ok(error.message.includes(credsFile));
    return true;
  });
});

test("a host without NATS says what an archive needs", async () => {
  await using alone = await startHost({ stateDirectory: folder });
  await assert.rejects(alone.startProvider(par()), { code: "PRECONDITION", message: /--nats/ });
});

test("no program outlives a host that ends by kill -9, not even one that hangs", { skip }, async () => {
  const entry = fileURLToPath(new URL("../support/archive-host.ts", import.meta.url));
  const child = spawn(process.execPath, [entry, server.url, folder], { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  const line = await until(() => out.includes("\n") && out);
  const { program } = JSON.parse(line) as { program: number };
  assert.ok(isAlive(program));
  child.kill("SIGKILL");
  await until(() => !isAlive(program));
});

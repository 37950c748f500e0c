import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { KeyPair } from "../../lattice/index.ts";
import { documentOf, failureOf, Home, ready } from "../support/cli.ts";
import { localhostTls } from "../support/localhost-tls.ts";
import { NatsServer, natsSkip } from "../support/nats-server.ts";
import { userTokens } from "../support/nats-tokens.ts";
import { watchedConnection } from "../support/nats-connections.ts";
import { until } from "../support/until.ts";

const longestMs = 60_000;

void describe("how the command line reaches NATS servers that want to know who comes", { skip: natsSkip() }, () => {
  const home = new Home();
  const tokens = userTokens();
  /** `calls` knows users by JWT, `control` by nothing; both speak TLS only. */
  let [calls, control]: NatsServer[] = [];
  const file = (name: string, text: string) => {
    writeFileSync(join(home.path, name), text);
    return join(home.path, name);
  };
  const [ca, key] = [file("ca.pem", localhostTls.cert), file("key.pem", localhostTls.key)];
  const [jwt, seed] = [file("user.jwt", `${tokens.jwt}\n`), file("user.nk", tokens.seed)];
  const login = ["--nats-jwt", jwt, "--nats-seed", seed, "--nats-ca", ca];

  before(async () => {
    const tls = `tls { cert_file: "${ca}", key_file: "${key}" }`;
    calls = await NatsServer.start({ jetStream: false, config: `${tokens.serverConfig}\n${tls}` });
    control = await NatsServer.start({ config: tls });
  });
  after(async () => {
    await home[Symbol.asyncDispose]();
    await calls?.[Symbol.asyncDispose]();
    await control?.[Symbol.asyncDispose]();
  });

  /** Hosts that a client finds, once there are some. */
  const hosts = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    until(async () => {
      const { hosts: found } = documentOf(await home.run(["get", "hosts", ...args, "-o", "json"], { env }));
      return (found as { id: string; labels: Record<string, string> }[]).find(({ labels }) => labels.zone === "a");
    }, longestMs);

  void test("the variables of a 0.x host name servers by use, the control prefix, times and labels", async () => {
    const env = {
      WASMCLOUD_RPC_HOST: "127.0.0.1",
      WASMCLOUD_RPC_PORT: String(calls!.port),
      WASMCLOUD_RPC_JWT: tokens.jwt,
      WASMCLOUD_RPC_SEED: tokens.seed,
      WASMCLOUD_RPC_TLS: "1",
      WASMCLOUD_CTL_PORT: String(control!.port),
      WASMCLOUD_CTL_TOPIC_PREFIX: "acme.ctl",
      WASMCLOUD_RPC_TIMEOUT_MS: "4321",
      LATTICE_NATS_CA: ca,
      HOST_zone: "a",
    };
    const heard = await watchedConnection({ servers: calls!.url, jwt: tokens.jwt, seed: tokens.seed, tls: { ca } });
    await using _closed = heard;
    const running = home.start(["up", "--engines", "0", "-o", "json"], { env });
    const { host } = await ready(running);
    const found = await hosts(["--nats", control!.url, "--nats-ca", ca], { WASMCLOUD_CTL_TOPIC_PREFIX: "acme.ctl" });
    assert.equal(found.id, host.id);
    assert.equal(found.labels.zone, "a");
    // Calls are answered by the other server: this host listens there.
    await heard.connected();
    await until(
      () =>
        heard.bus.request(`wasmlattice.rpc.default.${host.id}.c`, new Uint8Array(), { timeoutMs: 1_000 }).then(
          () => true,
          (error: { code: string }) => error.code === "RPC_TIMEOUT",
        ),
      longestMs,
    );
    const described = documentOf(await home.run(["describe", "host", "-o", "json"]));
    assert.match(JSON.stringify(described), /"rpcTimeoutMs":4321/);
    running.child.kill("SIGTERM");
    assert.equal((await running.finished).code, 0);
  });

  void test("a host file and flags give user JWT, seed and TLS; a context keeps the files", async () => {
    const text = `labels: { zone: a }\nnats: { url: "${calls!.url}", jwt: user.jwt, seed: user.nk, ca: ca.pem }\n`;
    const running = home.start(["up", "-f", file("host.yaml", text), "--engines", "0", "-o", "json"]);
    const { host } = await ready(running);
    assert.equal((await hosts(["--nats", calls!.url, ...login])).id, host.id);
    const context = ["--nats", calls!.url, "--jwt", jwt, "--seed", seed, "--ca", ca];
    assert.equal((await home.run(["ctx", "new", "guarded", ...context])).code, 0);
    assert.equal((await hosts(["--lattice", "default"])).id, host.id);
    await home.run(["ctx", "del", "guarded"]);
    const strange = file("strange.nk", KeyPair.generate("user").seed);
    const refused = await home.run(["get", "hosts", "--nats", calls!.url, ...login.with(3, strange), "-o", "json"]);
    assert.equal(failureOf(refused).code, "NATS_REFUSED");
    running.child.kill("SIGTERM");
    assert.equal((await running.finished).code, 0);
  });

  void test("a seed never stands on a command line and is not printed", async () => {
    const flag = await home.run(["get", "hosts", "--nats", calls!.url, "--nats-seed", tokens.seed, "-o", "json"]);
    assert.deepEqual([flag.code, failureOf(flag).code], [2, "USAGE"]);
    assert.ok(!flag.stderr.includes(tokens.seed));
    const env = { LATTICE_NATS_SEED: tokens.seed, LATTICE_NATS_JWT: tokens.jwt };
    const { settings } = documentOf(await home.run(["config", "view", "-o", "json"], { env }));
    const { nats_seed: shownSeed, nats_jwt: shownJwt } = settings as Record<string, string>;
    assert.deepEqual([shownSeed, shownJwt], ["[seed]", "[token]"]);
  });
});

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeArchive, ownTarget } from "../../actors/index.ts";
import { KeyPair, metadataBucket, printTime, verifyProviderToken } from "../../lattice/index.ts";
import { archiveProgram } from "../support/archives.ts";
import { ControlLattice } from "../support/control-client.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const patienceMs = 60_000;
const configSchema = { type: "object", properties: { url: { type: "string" } } };

natsTest("what was signed of an archive is told, listed, kept with its token and asked of the policy", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lattice-signed-"));
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
  const issuer = KeyPair.generate("account");
  const { publicKey: key } = KeyPair.generate("service");
  const expiresAt = Math.floor(Date.now() / 1_000) + 3_600;
  const file = join(folder, "signed.par");
  const about = { name: "Signed", contractId: "demo:archive", vendor: "Demo", revision: 7, version: "1.2.3" };
  const binaries = new Map([[ownTarget(), archiveProgram]]);
  writeFileSync(file, makeArchive({ ...about, issuer, subject: key, binaries, configSchema, expiresAt }));

  await using lattice = await ControlLattice.start();
  const asked: { action: string; source: Record<string, unknown>; target: Record<string, unknown> }[] = [];
  lattice.client.bus.subscribe("rules", (message) => {
    const question = JSON.parse(Buffer.from(message.payload).toString()) as (typeof asked)[0] & { requestId: string };
    asked.push(question);
    message.respond(Buffer.from(JSON.stringify({ requestId: question.requestId, permitted: true, message: "" })));
  });
  const policyService = { topic: "rules", timeoutMs: patienceMs };
  const here = await lattice.host({ policyService, stateDirectory: folder });
  const there = await lattice.host();
  const provider = await here.startProvider(file);

  const { claims } = (await lattice.event("provider_started")).data as { claims: Record<string, unknown> };
  assert.deepEqual(claims, {
    issuer: issuer.publicKey,
    name: "Signed",
    version: "1.2.3",
    tags: null,
    not_before_human: "immediately",
    expires_human: printTime(expiresAt),
  });
  const { providers } = (await lattice.ask(`get.${here.id}.inv`)) as { providers: Record<string, unknown>[] };
  assert.equal(providers[0]?.["revision"], 7);

  const bucket = lattice.client.state(metadataBucket("default"));
  const { value } = await until(() => bucket.get(`CLAIMS_${key}`), patienceMs);
  const { jwt, ...row } = JSON.parse(Buffer.from(value).toString()) as Record<string, string>;
  assert.equal(verifyProviderToken(jwt!, "it").revision, 7);
  assert.deepEqual(row, {
    contract_id: "demo:archive",
    issuer: issuer.publicKey,
    name: "Signed",
    revision: "7",
    subject: key,
    version: "1.2.3",
    config_schema: JSON.stringify(configSchema),
  });
  const listed = (await lattice.ask("get.claims")) as { claims: Record<string, string>[] };
  const { sub, iss, rev, version, config_schema: schema } = listed.claims.find((each) => each["sub"] === key)!;
  assert.deepEqual(
    [sub, iss, rev, version, schema],
    [key, issuer.publicKey, "7", "1.2.3", JSON.stringify(configSchema)],
  );

  const actor = await here.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  await here.link(actor, provider);
  const answer = await here.call(actor, "Call", askHost("demo:archive", "Echo", "hello"), { timeoutMs: patienceMs });
  assert.equal(Buffer.from(answer).toString(), "hello");
  const started = asked.find(({ action }) => action === "start_provider")!;
  assert.deepEqual([started.source["issuer"], started.source["expiresAt"]], [issuer.publicKey, expiresAt]);
  const called = asked.find(({ target }) => target["publicKey"] === key && target !== started.target)!;
  assert.equal(called.target["issuer"], issuer.publicKey);

  // What others believe of it is what its token proves, and not what stands beside it.
  await until(() => there.member?.claims.provider(key)?.issuer === issuer.publicKey, patienceMs);
  const { publicKey: forged } = KeyPair.generate("service");
  await bucket.put(`CLAIMS_${forged}`, Buffer.from(JSON.stringify({ ...row, subject: forged, jwt })));
  await until(async () => {
    const { claims: all } = (await lattice.ask("get.claims")) as { claims: Record<string, string>[] };
    return all.some((each) => each["sub"] === forged);
  }, patienceMs);
  assert.equal(there.member?.claims.provider(forged), undefined);
  assert.equal(here.member?.claims.provider(forged), undefined);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { signModule } from "../../actors/index.ts";
import { type Host, startHost } from "../../host/index.ts";
import { aliasesOf } from "../../host/membership/claimed-aliases.ts";
import { KeyPair, memoryConnection, MemoryServer, metadataBucket } from "../../lattice/index.ts";
import { ActorModule } from "../../actors/index.ts";
import { guestBytes } from "../support/guest-corpus.ts";
import { until } from "../support/until.ts";

const [trusted, other] = [KeyPair.generate("account"), KeyPair.generate("account")];
const now = Math.floor(Date.now() / 1_000);

interface Signed {
  readonly callAlias: string;
  readonly issuer?: KeyPair;
  readonly expiresAt?: number;
  readonly issuedAt?: number;
}

/** The verified claims of an actor that runs nowhere here. */
function claimsOf({ issuer = trusted, ...rest }: Signed) {
  const bytes = signModule(guestBytes("edge"), {
    name: "far",
    capabilities: [],
    issuer,
    module: KeyPair.generate("module"),
    ...rest,
  });
  return ActorModule.fromBytes(bytes, { name: "far" }).claims;
}

/** A host alone in its lattice, and what another writes into the lattice's bucket. */
async function lattice(options: { readonly issuers?: readonly string[] } = {}) {
  const server = new MemoryServer();
  const host = await startHost({ connection: memoryConnection(server), logLevel: "silent", ...options });
  const client = memoryConnection(server);
  const bucket = client.state(metadataBucket("default"));
  return {
    host,
    bucket,
    tell: async (key: string, row: object) =>
      void (await bucket.put(`CLAIMS_${key}`, Buffer.from(JSON.stringify(row)))),
    async [Symbol.asyncDispose]() {
      await host.stop();
      await client.close();
    },
  };
}

const keyOf = (host: Host, alias: string) => host.fleet.caller.tables.keyOfAlias(alias);

test("the call alias of an actor elsewhere is what its signed claims say, until they are taken back", async () => {
  await using world = await lattice();
  const claims = claimsOf({ callAlias: "far/one" });
  await world.tell(claims.key, { subject: claims.key, call_alias: "near/said", jwt: claims.token });
  assert.equal(await until(() => keyOf(world.host, "far/one")), claims.key);
  assert.equal(keyOf(world.host, "near/said"), undefined);
  await world.bucket.delete(`CLAIMS_${claims.key}`);
  await until(() => keyOf(world.host, "far/one") === undefined);
});

test("an alias that nobody signed, or not for this key, or not an account that is allowed, is none", async () => {
  await using world = await lattice({ issuers: [trusted.publicKey] });
  const [forged, foreign] = [claimsOf({ callAlias: "x/forged" }), claimsOf({ callAlias: "x/foreign", issuer: other })];
  const victim = KeyPair.generate("module").publicKey;
  await world.tell(victim, { subject: victim, call_alias: "x/unsigned" });
  await world.tell(victim, { subject: victim, call_alias: "x/forged", jwt: forged.token });
  await world.tell(foreign.key, { subject: foreign.key, call_alias: "x/foreign", jwt: foreign.token });
  const good = claimsOf({ callAlias: "x/good" });
  await world.tell(good.key, { subject: good.key, jwt: good.token });
  assert.equal(await until(() => keyOf(world.host, "x/good")), good.key);
  for (const alias of ["x/unsigned", "x/forged", "x/foreign"]) assert.equal(keyOf(world.host, alias), undefined, alias);
});

test("an alias ends with the dates of its token", async () => {
  await using world = await lattice();
  const [past, soon] = [
    claimsOf({ callAlias: "x/past", expiresAt: now + 3_600, issuedAt: now }),
    claimsOf({ callAlias: "x/soon", expiresAt: Math.floor(Date.now() / 1_000) + 4 }),
  ];
  for (const { key, token } of [past, soon]) await world.tell(key, { subject: key, jwt: token });
  assert.equal(await until(() => keyOf(world.host, "x/past")), past.key);
  await until(() => keyOf(world.host, "x/soon") === undefined);
  assert.equal(keyOf(world.host, "x/past"), past.key);
});

test("of several actors with one alias the account's last signed has it; of several accounts none", () => {
  const [first, second] = [
    claimsOf({ callAlias: "x/y", issuedAt: now - 10 }),
    claimsOf({ callAlias: "x/y", issuedAt: now }),
  ];
  assert.deepEqual(aliasesOf([second, first]), { "x/y": second.key });
  assert.deepEqual(aliasesOf([first, second, claimsOf({ callAlias: "x/y", issuer: other })]), {});
});

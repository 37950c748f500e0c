import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Link, Provider } from "../../capabilities/index.ts";
import { findVerb, startHost, verbsOf } from "../../host/index.ts";
import { resolveSecrets } from "../../host/secrets.ts";
import { fail } from "../../lattice/index.ts";
import { edgeActor } from "../support/edge.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "secrets-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const sources = { variables: ["SECRET_TEST_*"], folders: [folder], keys: [] };
process.env["SECRET_TEST_PIN"] = "4711";

test("references are followed: variables, files, and within a longer value", () => {
  writeFileSync(join(folder, "password"), "hunter2\n");
  mkdirSync(join(folder, "redis"), { recursive: true });
  writeFileSync(join(folder, "redis", "user"), "admin");
  const values = {
    pin: "secret:env:SECRET_TEST_PIN",
    password: "secret:file:password",
    whole: `secret:file:${join(folder, "password")}`,
    url: "redis://${secret:file:redis/user}:${secret:file:password}@db",
    plain: "no secret",
  };
  assert.deepEqual(resolveSecrets(values, sources), {
    pin: "4711",
    password: "hunter2",
    whole: "hunter2",
    url: "redis://admin:hunter2@db",
    plain: "no secret",
  });
});

test("nothing is read that the host was not told it may read, and every problem is told at once", () => {
  symlinkSync("/etc/hostname", join(folder, "link"));
  const values = {
    a: "secret:env:HOME",
    b: "secret:env:SECRET_TEST_NONE",
    c: "secret:file:../outside",
    d: "secret:file:/etc/passwd",
    e: "secret:file:link",
    f: "secret:vault:x",
  };
  assert.throws(() => resolveSecrets(values, sources), {
    code: "SECRET_UNAVAILABLE",
    message:
      /env:HOME is not among.*SECRET_TEST_NONE is not set.*outside is not there.*passwd is not there.*link leads out.*value of f is none of/,
  });
  assert.throws(() => resolveSecrets({ a: "secret:file:password" }, { ...sources, folders: [] }), {
    message: /only where the host was given folders/,
  });
});

for (const engines of [0, 1]) {
  test(`the provider alone sees a secret, and a rotated one by itself; engines: ${engines}`, async () => {
    const name = `rotating-${engines}`;
    // As Kubernetes does it: a link to a folder that is replaced in one step.
    const version = (text: string) => {
      mkdirSync(join(folder, `${name}.${text}`));
      writeFileSync(join(folder, `${name}.${text}`, "key"), text);
      symlinkSync(`${name}.${text}`, join(folder, `${name}.new`));
      renameSync(join(folder, `${name}.new`), join(folder, name));
    };
    version("first-4711");
    const seen: Link[] = [];
    const store: Provider = {
      contractId: "wasmcloud:keyvalue",
      name: "store",
      putLink(link) {
        seen.push(link);
        if (link.values["bad"]) throw fail("LINK_VALUES_INVALID", "store", `bad is "${link.values["bad"]}"`);
        return { values: { ...link.values, opened: "yes" } };
      },
      handle: () => new Uint8Array(),
    };
    await using host = await startHost({ engines, secrets: sources, limits: { secretsMs: 50 } });
    const actor = await host.startActor(edgeActor());
    const provider = await host.startProvider(store);
    const reference = `secret:file:${name}/key`;
    await host.link(actor, provider, { values: { key: reference } });
    assert.equal(seen.at(-1)!.values["key"], "first-4711");
    version("second-4711");
    await until(() => seen.at(-1)!.values["key"] === "second-4711");
    const revisions = seen.map(({ revision }) => revision);
    assert.ok(revisions.at(-1)! > revisions[0]!);

    const verbs = verbsOf(host);
    const ask = async (verb: string, params: object = {}) =>
      JSON.stringify(await findVerb(verbs, verb).run(params, { signal: new AbortController().signal }));
    const shown = await Promise.all([
      ask("get.links"),
      ask("get.inventory"),
      ask("get.events"),
      ask("describe", { target: actor.id }),
    ]);
    for (const text of shown) assert.doesNotMatch(text, /4711/);
    await assert.rejects(host.link(actor, provider, { linkName: "x", values: { bad: reference } }), {
      code: "LINK_VALUES_INVALID",
      message: `the link values do not suit store: bad is "${reference}"`,
    });
    await assert.rejects(host.link(actor, provider, { values: { key: "secret:file:none" } }), {
      code: "SECRET_UNAVAILABLE",
    });
    assert.equal(seen.at(-1)!.values["key"] ?? "second-4711", "second-4711");
  });
}

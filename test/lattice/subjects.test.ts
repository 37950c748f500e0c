import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import {
  checkPattern,
  checkSubject,
  controlSubscriptions,
  isSubjectName,
  parseSubject,
  subjectKinds,
  subjectMatches,
  Subjects,
} from "../../lattice/index.ts";
import type { ParsedSubject, SubjectKind } from "../../lattice/index.ts";

const M = "MBCFOPM6JW2APJLXJD3Z5O4CN7CPYJ2B4FTKLJUR5YR5MITIU7HD3WD5";
const V = "VDNF5QOTKTNDGA6LULYIS4JA5OOEITYMXMECW7NLD2XD5ATZQKGR6A4H";
const N = "NC576YLEWAHEY2RSTJF6JVA5CJU3XNQLK5K5CYEL4RSVUE472Q2BXGAL";
const shop = new Subjects("shop");

/** Each kind as it stands in the reference. */
const rows: readonly (readonly [string, ParsedSubject])[] = [
  [`wasmbus.rpc.shop.${M}`, { kind: "actorRpc", lattice: "shop", actor: M }],
  [`wasmbus.rpc.shop.${V}.default`, { kind: "providerRpc", lattice: "shop", provider: V, linkName: "default" }],
  [
    `wasmbus.rpc.shop.${V}.default.linkdefs.put`,
    { kind: "providerPutLink", lattice: "shop", provider: V, linkName: "default" },
  ],
  [
    `wasmbus.rpc.shop.${V}.default.linkdefs.del`,
    { kind: "providerDeleteLink", lattice: "shop", provider: V, linkName: "default" },
  ],
  [`wasmbus.rpc.shop.${V}.x.health`, { kind: "providerHealth", lattice: "shop", provider: V, linkName: "x" }],
  [`wasmbus.rpc.shop.${V}.x.shutdown`, { kind: "providerShutdown", lattice: "shop", provider: V, linkName: "x" }],
  ["wasmbus.evt.shop", { kind: "events", lattice: "shop" }],
  ["wasmbus.evt.shop.actor_scaled", { kind: "event", lattice: "shop", event: "actor_scaled" }],
  ["wasmbus.rpcevt.shop", { kind: "invocationEvents", lattice: "shop" }],
  ["wasmbus.cfg.shop.req", { kind: "configService", lattice: "shop" }],
  ["$KV.LATTICEDATA_shop.LINKDEF_97CD", { kind: "metadata", lattice: "shop", key: "LINKDEF_97CD" }],
  [`$KV.CONFIGDATA_shop.${M}_colour`, { kind: "configuration", lattice: "shop", key: `${M}_colour` }],
  ["wasmbus.ctl.shop.ping.hosts", { kind: "pingHosts", lattice: "shop" }],
  [`wasmbus.ctl.shop.get.${N}.inv`, { kind: "getInventory", lattice: "shop", host: N }],
  ["wasmbus.ctl.shop.get.claims", { kind: "getClaims", lattice: "shop" }],
  ["wasmbus.ctl.shop.get.links", { kind: "getLinks", lattice: "shop" }],
  ["wasmbus.ctl.shop.linkdefs.put", { kind: "putLink", lattice: "shop" }],
  ["wasmbus.ctl.shop.linkdefs.del", { kind: "deleteLink", lattice: "shop" }],
  ["wasmbus.ctl.shop.registries.put", { kind: "putRegistries", lattice: "shop" }],
  ["wasmbus.ctl.shop.auction.actor", { kind: "auctionActor", lattice: "shop" }],
  ["wasmbus.ctl.shop.auction.provider", { kind: "auctionProvider", lattice: "shop" }],
  [`wasmbus.ctl.shop.cmd.${N}.scale`, { kind: "command", lattice: "shop", host: N, command: "scale" }],
  [`wasmbus.ctl.shop.labels.${N}.put`, { kind: "putLabel", lattice: "shop", host: N }],
  [`wasmbus.ctl.shop.labels.${N}.del`, { kind: "deleteLabel", lattice: "shop", host: N }],
  [`wasmbus.ctl.shop.config.put.${M}.colour`, { kind: "putConfig", lattice: "shop", entity: M, name: "colour" }],
  ["wasmbus.ctl.shop.config.put.short.c", { kind: "putConfig", lattice: "shop", entity: "short", name: "c" }],
  [`wasmbus.ctl.shop.config.del.${M}.colour`, { kind: "deleteConfig", lattice: "shop", entity: M, name: "colour" }],
  [`wasmbus.ctl.shop.config.del.${M}`, { kind: "deleteAllConfig", lattice: "shop", entity: M }],
  [`wasmbus.ctl.shop.config.clear.${M}`, { kind: "clearConfig", lattice: "shop", entity: M }],
  [`wasmbus.ctl.shop.get.config.${V}.colour`, { kind: "getConfig", lattice: "shop", entity: V, name: "colour" }],
  [`wasmbus.ctl.shop.get.config.${V}`, { kind: "getAllConfig", lattice: "shop", entity: V }],
  [`wasmlattice.rpc.shop.${N}.c`, { kind: "directed", lattice: "shop", host: N, place: "c" }],
  [`wasmlattice.ctl.shop.${N}.link.put`, { kind: "verb", lattice: "shop", host: N, verb: "link.put" }],
  ["wasmlattice.presence.shop", { kind: "presence", lattice: "shop" }],
  ["wasmlattice.presence.shop.ask", { kind: "askPresence", lattice: "shop" }],
];

/** The writer as a caller sees it when the kind is only known at run time. */
function write({ kind, lattice, ...parts }: ParsedSubject, prefix?: string): string {
  const subjects = new Subjects(lattice, prefix);
  return (subjects.write as (kind: SubjectKind, parts: object) => string).call(subjects, kind, parts);
}

test("every subject is written and parsed by one row", () => {
  assert.deepEqual([...new Set(rows.map(([, { kind }]) => kind))].toSorted(), [...subjectKinds].toSorted());
  for (const [subject, parsed] of rows) {
    assert.equal(write(parsed), subject);
    assert.deepEqual({ ...parseSubject(subject) }, parsed);
    checkSubject(subject);
    const { kind } = parsed;
    checkPattern(shop.pattern(kind));
    assert.ok(subjectMatches(shop.pattern(kind), subject), `${shop.pattern(kind)} covers ${subject}`);
  }
});

test("the prefix of the control interface may be another", () => {
  for (const [, parsed] of rows) {
    const subject = write(parsed, "corp.control");
    assert.deepEqual({ ...parseSubject(subject, "corp.control") }, parsed);
  }
  assert.equal(parseSubject("wasmbus.ctl.shop.ping.hosts", "corp.control"), undefined);
  assert.throws(() => new Subjects("shop", "corp..control"), { code: "SUBJECT_INVALID" });
  assert.throws(() => new Subjects("shop", "corp.>"), { code: "SUBJECT_INVALID" });
});

test("a lattice may lie within another, whose permissions cover it, and is not mistaken for it", () => {
  const within = new Subjects("archive_1", undefined, "shop");
  const [subject] = rows.find(([, { kind }]) => kind === "actorRpc")!;
  const actor = subject.split(".").at(-1)!;
  assert.equal(within.write("actorRpc", { actor }), `wasmbus.rpc.shop.archive_1.${actor}`);
  assert.ok(subjectMatches(within.pattern("actorRpc"), within.write("actorRpc", { actor })));
  assert.ok(subjectMatches("wasmbus.rpc.shop.>", within.write("actorRpc", { actor })));
  assert.equal(parseSubject(within.write("actorRpc", { actor })), undefined);
  assert.throws(() => new Subjects("a.b", undefined, "shop"), { code: "NAME_INVALID" });
  assert.throws(() => new Subjects("a", undefined, "shop.>"), { code: "NAME_INVALID" });
});

test("any good names come back as they were written", () => {
  const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);
  fc.assert(
    fc.property(name, name, fc.constantFrom(...rows.map(([, parsed]) => parsed)), (lattice, linkName, row) => {
      const parsed = { ...row, lattice, ...("linkName" in row ? { linkName } : {}) } as ParsedSubject;
      assert.deepEqual({ ...parseSubject(write(parsed)) }, parsed);
    }),
  );
});

test("lattice and link names that would break a subject are refused", () => {
  for (const bad of ["", "a.b", "a b", "*", ">", "é", "a\n", "x".repeat(129)]) {
    assert.equal(isSubjectName(bad), false);
    assert.throws(() => new Subjects(bad), { code: "NAME_INVALID" });
    assert.throws(() => shop.write("providerRpc", { provider: V, linkName: bad }), { code: "NAME_INVALID" });
  }
});

test("a part that does not fit is refused when written and unknown when parsed", () => {
  assert.throws(() => shop.write("actorRpc", { actor: V }), { code: "SUBJECT_INVALID" });
  assert.throws(() => shop.write("command", { host: N, command: "a.b" }), { code: "SUBJECT_INVALID" });
  assert.throws(() => shop.write("verb", { host: N, verb: "link..put" }), { code: "SUBJECT_INVALID" });
  // @ts-expect-error a part is missing
  assert.throws(() => shop.write("providerRpc", { provider: V }), { code: "SUBJECT_INVALID" });
  for (const bad of [
    "",
    "wasmbus",
    "wasmbus.rpc.shop",
    "wasmbus.rpc.shop.X",
    `wasmbus.rpc.sh op.${M}`,
    `xwasmbus.rpc.shop.${M}`,
    "wasmbusXevt.shop",
    `wasmbus.rpc.shop.${V}.default.other`,
    "wasmbus.ctl.shop.get.NXXX.inv",
    `wasmlattice.ctl.shop.${N}.`,
    `wasmlattice.ctl.shop.${N}.a..b`,
  ])
    assert.equal(parseSubject(bad), undefined, bad);
});

test("a subject of another lattice is none of ours", () => {
  assert.equal(shop.parse("wasmbus.evt.other"), undefined);
  assert.equal(shop.parse("wasmbus.evt.shop")?.kind, "events");
});

test("patterns leave out what is not given", () => {
  assert.equal(shop.pattern("verb", { host: N }), `wasmlattice.ctl.shop.${N}.>`);
  assert.equal(shop.pattern("providerRpc"), "wasmbus.rpc.shop.*.*");
  assert.equal(shop.pattern("command", { host: N }), `wasmbus.ctl.shop.cmd.${N}.*`);
});

test("a host listens to every control subject that means it, once", () => {
  const subscriptions = controlSubscriptions(shop, N);
  for (const [subject] of rows.filter(([text]) => text.startsWith("wasmbus.ctl."))) {
    const covering = subscriptions.filter(({ pattern }) => subjectMatches(pattern, subject));
    assert.equal(
      covering.length,
      1,
      `${subject} is covered by ${covering.map(({ pattern }) => pattern).join(" and ")}`,
    );
  }
  const queues = subscriptions.map(({ queue }) => queue).filter((queue) => queue !== undefined);
  const ofThe82 = ["get", "linkdefs", "config", "get.config"].map((last) => `wasmbus.ctl.shop.${last}`);
  assert.deepEqual(queues, ofThe82);
});

test("arbitrary text never breaks the parser", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void parseSubject(text)));
});

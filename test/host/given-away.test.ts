import assert from "node:assert/strict";
import { test } from "node:test";
import { GivenAway } from "../../host/given-away.ts";
import type { PeerHost } from "../../host/remote/peers.ts";

const peer = (host: string, ...keys: string[]): PeerHost => ({
  host,
  name: host,
  version: "0",
  labels: {},
  hello: "",
  places: ["c"],
  rpc: "both",
  draining: false,
  actors: [],
  providers: keys.map((key) => ({ key, linkName: "default", contractId: "c", name: key })),
});
const old = { key: "VOLD", linkName: "default" };
const now = { key: "VNEW", linkName: "default" };
const there = { key: "VNEW", host: "NTWO" };

test("what went to another host is sought there by both names, before that host says so and while it does", () => {
  const given = new GivenAway();
  given.put(old, there);
  for (const told of [peer("NTWO"), peer("NTHREE", "VNEW"), peer("NTWO", "VNEW"), peer("NTHREE")]) {
    given.follow(told);
    assert.deepEqual([given.get(old), given.get(now)], [there, there]);
  }
  assert.equal(given.get({ ...old, linkName: "other" }), undefined);
  assert.equal(given.all().length, 1);
});

test("it is forgotten once it has gone on from there, and when it runs here again", () => {
  const given = new GivenAway();
  given.put(old, there);
  given.follow(peer("NTWO", "VNEW"));
  given.follow(peer("NTWO"));
  assert.deepEqual([given.get(old), given.get(now), given.all().length], [undefined, undefined, 0]);
  given.put(old, there);
  given.takeBack(old);
  assert.deepEqual([given.get(old), given.get(now)], [undefined, there]);
});

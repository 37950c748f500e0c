import assert from "node:assert/strict";
import { test } from "node:test";
import {
  actorEntity,
  decodeInvocation,
  decodeResponse,
  InvocationSigner,
  encodeInvocation,
  InvocationVerifier,
  isLatticeError,
  parseSubject,
  providerEntity,
} from "../../../lattice/index.ts";
import type { BusMessage, WireEntity } from "../../../lattice/index.ts";
import { captured } from "../../support/captured-messages.ts";
import { hostileFamilies, hostileMessages } from "../../support/hostile-messages.ts";
import type { HostileFamily } from "../../support/hostile-messages.ts";
import { cluster, lattice, SessionHost, world } from "../../support/session-hosts.ts";

const rounds = 3_200;
const targets = [actorEntity(captured.echo), providerEntity(captured.redis, "wasmcloud:keyvalue", "default")];

/** Codes by which invocations of a family may be refused. */
const codes: Partial<Record<HostileFamily, RegExp>> = {
  "forged host id": /^INVOCATION_HOST_ID$/,
  "foreign issuer": /^INVOCATION_ISSUER_FOREIGN$/,
  "expired token": /^INVOCATION_EXPIRED$/,
  "future token": /^INVOCATION_TOO_EARLY$/,
  "altered invocation": /^INVOCATION_/,
  replay: /^INVOCATION_REPLAYED$/,
};

/** What a receiver of 0.x invocations makes of a message: the code of its refusal. */
function refusal(payload: Uint8Array, verifier: InvocationVerifier, me: WireEntity): string | undefined {
  try {
    const checked = verifier.check(decodeInvocation(payload), me);
    // A large payload that was promised is fetched here; there is none.
    verifier.prove(checked, checked.contentLength > 921_600 ? new Uint8Array() : checked.payload);
    return undefined;
  } catch (error) {
    assert.ok(isLatticeError(error), `${String(error)} is no error of the catalogue`);
    return error.code;
  }
}

for (const me of targets)
  test(`no hostile message is taken for an invocation of ${me.publicKey[0]}..., each family is refused by its code`, () => {
    const verifier = new InvocationVerifier({ issuers: [cluster.publicKey] });
    const call = { origin: actorEntity(captured.kvcounter), target: me, operation: "A.B", payload: Buffer.of(1) };
    const taken = encodeInvocation(new InvocationSigner(cluster, captured.host).sign(call));
    assert.equal(refusal(taken, verifier, me), undefined, "a good one passes");
    const messages = hostileMessages({ seed: 7, target: me, lattice, cluster, recorded: [taken] });
    const counts = new Map<HostileFamily, number>();
    for (let round = 0; round < rounds; round++) {
      const { family, payload } = messages.next().value;
      counts.set(family, (counts.get(family) ?? 0) + 1);
      const code = refusal(payload, verifier, me);
      assert.match(code ?? "run", codes[family] ?? /^INVOCATION_MALFORMED$/, `${family}, round ${round}`);
    }
    assert.deepEqual([...counts.keys()].toSorted(), [...hostileFamilies].toSorted());
  });

test("no hostile message is taken for an answer, and none breaks the reader", () => {
  const invocation = decodeInvocation(captured.actorToProvider);
  const messages = hostileMessages({ seed: 11, target: targets[0]!, lattice, cluster });
  for (let round = 0; round < rounds; round++)
    assert.throws(() => decodeResponse(messages.next().value.payload, invocation), { code: "REPLY_MALFORMED" });
});

test("no hostile message is run by a place that other hosts call", async () => {
  const here = world();
  const [a, b] = [new SessionHost(here), new SessionHost(here)];
  const call = {
    origin: { kind: "operator", name: "o" },
    target: { kind: "actor", key: captured.echo },
    operation: "A.B",
    payload: Buffer.of(1),
    budgetMs: 100,
    hops: 0,
    trace: undefined,
  } as const;
  const recorded: Uint8Array[] = [];
  here.broker.connect().subscribe(here.subjects.write("directed", b.end), ({ payload }) => void recorded.push(payload));
  await a.caller.call(b.end, call, { timeoutMs: 5_000 });
  // What opens a conversation may come again: it runs nothing.
  const messages = hostileMessages({ seed: 13, target: targets[0]!, lattice, cluster, recorded: recorded.slice(1) });
  const hostile = (payload: Uint8Array): BusMessage => ({
    subject: "s",
    payload,
    headers: new Map(),
    reply: "r",
    respond: () => true,
  });
  let frames = 0;
  for (let round = 0; round < rounds; round++) if (b.receiver.receive(hostile(messages.next().value.payload))) frames++;
  assert.equal(b.ran.length, 1);
  assert.equal(b.refused.length, frames);
  assert.deepEqual(new Set(b.refused), new Set(["not a frame", "malformed", "hello refused", "replay"]));
  await a.caller.call(b.end, call, { timeoutMs: 5_000 });
  assert.equal(b.ran.length, 2, "the conversation goes on");
});

test("no hostile text is a subject", () => {
  const messages = hostileMessages({ seed: 17, target: targets[0]!, lattice, cluster });
  for (let round = 0; round < rounds; round++)
    assert.equal(
      parseSubject(Buffer.from(messages.next().value.payload).toString("latin1").slice(0, 4_096)),
      undefined,
    );
});

test("the same seed draws the same kinds in the same order", () => {
  const draw = (): string[] => {
    const messages = hostileMessages({ seed: 3, target: targets[0]!, lattice, cluster });
    return Array.from({ length: 60 }, () => messages.next().value)
      .filter(({ family }) => /random|wrong|JSON|huge/.test(family))
      .map(({ payload }) => Buffer.from(payload).toString("hex").slice(0, 400));
  };
  assert.deepEqual(draw(), draw());
});

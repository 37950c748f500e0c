/** Portable providers, which are guests themselves, when they misbehave. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Host, startHost } from "../../index.ts";
import { calling, obedient, signed } from "../support/actors.ts";
import { assemble, guestText } from "../support/guests.ts";
import { ask, codeOf, start } from "../support/journey.ts";

const contract = ["test:store"];

/**
 * Counts those bound to it. By the first letter of the operation: `Bind...`, `Remove...`, `Count`
 * answers the count, `Trap` traps, `Spin` never answers, `Order` calls the operation's actor, alias
 * test/actor, back; anything else is no operation of it.
 */
const store = signed(
  assemble(
    guestText(`
      (global $bound (mut i32) (i32.const 48))
      (data (i32.const 0) "defaulttest/actorEchounknown operation")
      (func (export "__guest_call") (param i32 i32) (result i32)
        (local $first i32)
        (call $request (i32.const 1024) (i32.const 4096))
        (local.set $first (i32.load8_u (i32.const 1024)))
        (if (i32.eq (local.get $first) (i32.const 66)) (then (global.set $bound (i32.add (global.get $bound) (i32.const 1)))))
        (if (i32.eq (local.get $first) (i32.const 82)) (then (global.set $bound (i32.sub (global.get $bound) (i32.const 1)))))
        (if (i32.eq (local.get $first) (i32.const 84)) (then unreachable))
        (if (i32.eq (local.get $first) (i32.const 83)) (then (loop $again (br $again))))
        (if (i32.eq (local.get $first) (i32.const 71)) (then
          (call $fail (i32.const 21) (i32.const 17)) (return (i32.const 0))))
        (if (i32.eq (local.get $first) (i32.const 79)) (then
          (if (i32.ne (i32.const 1) (call $host_call
              (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 10) (i32.const 17) (i32.const 4) (i32.const 7) (i32.const 10)))
            (then
              (call $host_error (i32.const 4096))
              (call $fail (i32.const 4096) (call $host_error_len))
              (return (i32.const 0))))
          (call $host_response (i32.const 4096))
          (call $respond (i32.const 4096) (call $host_response_len))
          (return (i32.const 1))))
        (i32.store8 (i32.const 512) (global.get $bound))
        (call $respond (i32.const 512) (i32.const 1))
        (i32.const 1))`),
  ),
  { name: "store", capabilities: contract, portableProvider: true },
);

async function linked(host: Host) {
  const provider = await start(host, store);
  const actor = await start(host, obedient({ name: "actor", callAlias: "test/actor", capabilities: contract }));
  await host.link(actor, provider.id);
  return (operation: string) => ask(host, actor, "Call", calling("test:store", operation));
}

for (const engines of [0, 2]) {
  test(`a portable provider that traps or spins is told its links again (${engines} engines)`, async () => {
    await using host = await startHost({ engines, limits: { cpuMs: 60 } });
    const operation = await linked(host);
    assert.equal(await operation("Count"), "1");
    assert.match(await operation("Trap"), /^error: store trapped in Trap: unreachable/);
    assert.equal(await operation("Count"), "1", "bound to the new instance");
    assert.match(await operation("Spin"), /^error: store used more than 60 ms of CPU in Spin/);
    const all = await Promise.all(Array.from({ length: 5 }, () => operation("Count")));
    assert.deepEqual(all, Array(5).fill("1"), "bound once, before any of them");
  });
}

test("a portable provider calls the actor that is linked to it, and cannot outlast its caller", async () => {
  await using host = await startHost();
  const operation = await linked(host);
  assert.equal(await operation("Order"), "test/actor");
  await host.stopActor("actor");
  const again = await start(host, obedient({ name: "other", capabilities: contract }));
  await host.link(again, "store");
  assert.match(
    await ask(host, again, "Call", calling("test:store", "Order")),
    /^error: .*Call alias not found: test\/actor/,
  );
  const late = ask(host, again, "Call", calling("test:store", "Spin"), { timeoutMs: 100 });
  assert.equal(await codeOf(late), "DEADLINE_EXCEEDED");
  assert.match(await ask(host, again, "Call", calling("test:store", "Count")), /^[12]$/);
});

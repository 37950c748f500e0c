import assert from "node:assert/strict";
import type { Host } from "../../index.ts";
import { calling, obedient, signed } from "../support/actors.ts";
import { ControlLattice } from "../support/control-client.ts";
import { guestBytes } from "../support/guest-corpus.ts";
import { Gate, send, start } from "../support/journey.ts";
import { natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const patienceMs = 60_000;
const traceId = "0af7651916cd43dd8448eb211c80319c";
const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01`, tracestate: "vendor=1" };

for (const rpc of ["session", "wasmcloud"] as const) {
  natsTest(`one trace goes from HTTP through both hosts to a provider and into both logs (${rpc})`, async () => {
    await using lattice = await ControlLattice.start();
    const options = { rpc, logLevel: "silent", limits: { rpcTimeoutMs: 20_000 } } as const;
    const front = await lattice.host(options);
    const back = await lattice.host(options);
    const web = await start(front, signed(guestBytes("e4"), { name: "web", capabilities: ["wasmcloud:httpserver"] }));
    const { urls } = await front.link(web, await front.startProvider("builtin:httpserver"), { values: { port: "0" } });
    const near = await start(front, obedient({ name: "near", callAlias: "test/near" }));
    const claims = { name: "far", callAlias: "test/far", capabilities: ["wasmcloud:keyvalue"] };
    const far = await start(back, obedient(claims));
    const gate = new Gate();
    gate.open();
    const store = await front.startProvider(gate);
    await until(() => front.member!.peers[0]?.actors.length === 1, patienceMs);
    await until(() => back.member!.peers[0]?.providers.length === 2, patienceMs);
    await front.link(far.id, store);
    await until(() => back.wanted.links.size === 2, patienceMs);
    const through = (target: string, operation: string, body: Uint8Array | string) =>
      send(`${urls[0]}/call?target=${target}&operation=${operation}`, { method: "POST", headers, body });

    const answer = await until(async () => {
      const found = await through("test/far", "Call", calling("wasmcloud:keyvalue", "Get"));
      return found.text === "let through" && found;
    }, patienceMs);
    assert.equal(answer.status, 200);
    const call = gate.calls.at(-1);
    assert.deepEqual([call?.trace, call?.hops], [headers, 2], "in on one host, on by the other, and back");

    await through("test/near", "Log", "seen here");
    await through("test/far", "Log", "seen there");
    assert.deepEqual(await logged(front, near.placement), ["seen here", traceId]);
    assert.deepEqual(await logged(back, far.placement), ["seen there", traceId]);
  });
}

/** Text and trace id of the first line of an actor. */
async function logged(host: Host, placement: string): Promise<readonly (string | undefined)[]> {
  const line = await until(() => host.logs.tail([placement])[0], patienceMs);
  return [line.text, line.trace_id];
}

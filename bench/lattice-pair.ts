import { type Host, startHost } from "../host/index.ts";
import { KeyPair, type RpcPolicy } from "../lattice/index.ts";
import { calling } from "../test/support/actors.ts";
import { edgeActor } from "../test/support/edge.ts";
import { until } from "../test/support/until.ts";
import { assembled } from "./assembled.ts";
import { preparedGuest, signed } from "./guests.ts";
import type { Ask } from "./harness.ts";
import { type LatticeSeat, seatOptions } from "./lattice-seat.ts";
import { repositoryFile, type Running, startNode } from "./processes.ts";

const contract = "wasmcloud:keyvalue";
/** Calls inside one call of the caller; few, so that all callers end soon after the time is up. */
const inner = 10;
const startMs = 60_000;

/** A host in this process, and others in processes of their own that run what it calls. */
export interface LatticePair extends AsyncDisposable {
  /** An actor here calls one there, ten times. */
  readonly actor: Ask;
  /** An actor here calls one there once, and a failure says why. */
  readonly single: Ask;
  /** An actor here asks a store there, ten times. */
  readonly provider: Ask;
  /** How many hosts run the actor that is called, as far as this one knows. */
  readonly hosts: () => number;
  /** One more host with the actor that is called; disposing it makes it leave in order. */
  readonly another: () => Promise<Running>;
}

export async function latticePair(servers: string, rpc: RpcPolicy): Promise<LatticePair> {
  await using undo = new AsyncDisposableStack();
  const echo = Buffer.from(signed(assembled("echo"), { name: "echo", callAlias: "bench/echo" })).toString("base64");
  const clusterSeed = KeyPair.generate("cluster").seed;
  const seat: LatticeSeat = { servers, lattice: `bench-${rpc}`, clusterSeed, rpc, echo };
  const another = (...more: string[]) =>
    startNode([repositoryFile("bench/children/lattice-host.ts"), JSON.stringify(seat), ...more], startMs);
  undo.use(await another("store"));
  const host = undo.use(await startHost(seatOptions(seat)));
  const peers = () => host.member?.peers ?? [];
  await until(() => peers().some(({ providers, actors }) => providers.length + actors.length === 2), startMs);
  const caller = await host.startActor(preparedGuest(assembled("caller"), { name: "caller" }), { instances: 256 });
  const asker = await host.startActor(edgeActor({ name: "asker" }), { instances: 256 });
  const storeCaller = await host.startActor(
    preparedGuest(assembled("store-caller"), { name: "store-caller", capabilities: [contract] }),
    { instances: 256 },
  );
  await host.link(storeCaller, contract);
  const count = new Uint8Array(Uint32Array.of(inner).buffer);
  const echoed = calling("bench/echo", "Echo", Buffer.alloc(100, 7));
  const expected = Buffer.from(await host.call(storeCaller, "Run", count));
  const held = undo.move();
  return {
    actor: async () => {
      const reply = await host.call(caller, "Run", count, { timeoutMs: 30_000 });
      if (reply.length !== 100) throw new Error(`a reply of ${reply.length} bytes`);
      return inner;
    },
    single: async () => {
      const reply = await answer(host, asker.id, echoed);
      if (reply.length !== 100) throw new Error(`a reply of ${reply.length} bytes`);
      return 1;
    },
    provider: async () => {
      const reply = await host.call(storeCaller, "Run", count, { timeoutMs: 30_000 });
      if (!expected.equals(reply)) throw new Error(`a reply of ${reply.length} bytes that is another than before`);
      return inner;
    },
    hosts: () => peers().filter(({ actors }) => actors.length > 0).length,
    another,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function answer(host: Host, actor: string, payload: Uint8Array): Promise<string> {
  const reply = Buffer.from(await host.call(actor, "Call", payload)).toString("latin1");
  if (reply.startsWith("error: ")) throw new Error(reply);
  return reply;
}

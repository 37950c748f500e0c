import { ActorModule, prepare } from "../../actors/index.ts";
import { startHost } from "../../host/index.ts";
import { type LatticeSeat, seatOptions } from "../lattice-seat.ts";

/**
 * A host of a lattice with the actor `bench/echo` and, if it is asked for, a key-value store, and prints
 * `{"ready":true}`; at SIGTERM it leaves in order.
 *   node lattice-host.ts SEAT [store]   (JSON of `LatticeSeat`)
 */
const [text = "", store] = process.argv.slice(2);
const seat = JSON.parse(text) as LatticeSeat;
const host = await startHost(seatOptions(seat));
process.once("SIGTERM", () => void host.stop().finally(() => process.exit()));
const module = ActorModule.fromBytes(Buffer.from(seat.echo, "base64"), { name: "echo" });
await host.startActor(prepare(module), { instances: 256 });
if (store === "store") await host.startProvider("wasmcloud:keyvalue");
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);

import { ActorModule, prepare } from "../../actors/index.ts";
import { startHost } from "../../host/index.ts";
import { exampleCode, signed } from "../guests.ts";
import { PlainGuest } from "../plain-guest.ts";

/**
 * Holds COUNT instances of the C echo, each of which has answered once, and prints `{"ready":true}`.
 *   node idle-actors.ts lattice|bare COUNT
 * `lattice`: as many actors, each under its own key, on a host; `bare`: plain instances in an array.
 */
const [side, given] = process.argv.slice(2);
const count = Number(given);
const code = exampleCode("echo-c/echo.wasm") as Uint8Array<ArrayBuffer>;
const payload = new Uint8Array(100).fill(7);
const kept: unknown[] = [];

if (side === "lattice") {
  const host = await startHost({ limits: { instancesPerProcess: count } });
  kept.push(host);
  for (let i = 0; i < count; i++) {
    const name = `idle ${i}`;
    const bytes = signed(code, { name, capabilities: ["wasmcloud:httpserver"] });
    const actor = await host.startActor(prepare(ActorModule.fromBytes(bytes, { name })));
    answered((await host.call(actor, "Echo", payload)).length);
  }
} else {
  const module = new WebAssembly.Module(code);
  for (let i = 0; i < count; i++) {
    const guest = new PlainGuest(module, { operation: Buffer.from("Echo"), payload });
    answered(guest.call());
    kept.push(guest.exports);
  }
}
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
setInterval(() => kept.length, 1e6);

function answered(length: number): void {
  if (length !== payload.length) throw new Error(`a reply of ${length} bytes`);
}

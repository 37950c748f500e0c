import { readFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { encodeHttpRequest } from "../../capabilities/index.ts";
import { startHost } from "../../host/index.ts";
import { PlainGuest } from "../plain-guest.ts";

/**
 * Milliseconds from the signed bytes of a module to its first reply, for each file given, one after
 * the other in this one process. Prints `{"ms": [...]}`.
 *   node first-reply.ts lattice|rested|plain FILE...
 * `rested` waits before the first, as a host does that was started for what comes later; `plain`
 * compiles and instantiates the same bytes, unchecked.
 */
// As the command does: threads read compiled code.
enableCompileCache(join(String(process.env.XDG_CACHE_HOME), "wasmlattice", "compiled"));

const [side, ...files] = process.argv.slice(2);
const modules = files.map((file) => readFileSync(file));
const operation = "HttpServer.HandleRequest";
const request = { method: "POST", path: "/", queryString: "", header: [], body: new Uint8Array(100) };
const payload = encodeHttpRequest("E4", request);
const plain = { operation: Buffer.from(operation), payload };

const restMs = 1_000;
const ms: number[] = [];
if (side !== "plain") {
  await using host = await startHost({ engines: 1 });
  if (side === "rested") await new Promise((resolve) => setTimeout(resolve, restMs));
  for (const bytes of modules) {
    const begin = performance.now();
    const actor = await host.startActor(await host.load(bytes, "bench"));
    const reply = await host.call(actor, operation, payload);
    took(begin, reply.length);
  }
} else {
  for (const bytes of modules) {
    const begin = performance.now();
    const guest = new PlainGuest(new WebAssembly.Module(bytes), plain);
    took(begin, guest.call());
  }
}
process.stdout.write(`${JSON.stringify({ ms })}\n`);

function took(begin: number, replyLength: number): void {
  ms.push(performance.now() - begin);
  if (replyLength < 50) throw new Error(`a reply of ${replyLength} bytes`);
}

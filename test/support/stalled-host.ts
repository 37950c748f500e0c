/** A host process whose provider object never lets go of the thread: `handle` in the call, `await` after it has answered a promise. */
import { startHost } from "../../index.ts";
import { askHost, edgeActor } from "./edge.ts";

const [how] = process.argv.slice(2);
const spinning = (): never => {
  for (;;);
};
const host = await startHost({ limits: { providerSilenceMs: 500 } });
const actor = await host.startActor(edgeActor());
const provider = await host.startProvider({
  contractId: "wasmcloud:keyvalue",
  name: "greedy",
  handle: () => (how === "await" ? Promise.resolve().then(spinning) : spinning()),
});
await host.link(actor, provider);
void host.call(actor, "Call", askHost("wasmcloud:keyvalue"));

import { type HostOptions, type Provider, startHost, type SwapStepName } from "../../index.ts";
import { archiveOf } from "./archives.ts";
import { edgeActor } from "./edge.ts";

/** A store of this program's own, which is not well once it is on trial. */
function objectStore(): Provider & { well: boolean } {
  return {
    contractId: "wasmcloud:keyvalue",
    name: "object",
    well: true,
    handle: () => new Uint8Array(),
    health() {
      return { healthy: this.well, message: "it is ill" };
    },
  };
}

/** What a process that dies in a swap is told. */
export interface Killed {
  readonly options: HostOptions;
  /** References of ours, `object`, or an `archive:NAME`. */
  readonly from: string;
  readonly to: string;
  readonly config: Readonly<Record<string, string>>;
  readonly copyState: boolean;
  readonly at: SwapStepName;
}

/** A host process that swaps a provider and is killed in the middle of one step. */
if (process.argv[2] !== undefined) {
  const { options, from, to, config, copyState, at }: Killed = JSON.parse(process.argv[2]);
  const host = await startHost(options);
  const ill = objectStore();
  const meant = (text: string): Provider | string => {
    if (text === "object") return ill;
    return text.startsWith("archive:") ? host.openArchive(archiveOf(), text) : text;
  };
  const capabilities = ["wasmcloud:keyvalue", "demo:archive"];
  const actor = await host.startActor(edgeActor({ capabilities }));
  const handle = await host.startProvider(meant(from), from.startsWith("builtin:") ? { config } : { reference: from });
  await host.link(actor, handle);
  process.stdout.write("ready\n");
  const outcome = await host.swapProvider(handle, meant(to), {
    copyState,
    ...(to.startsWith("archive:") ? { reference: to } : {}),
    trialMs: to === "object" ? 30_000 : 50,
    onStep: ({ step }) => {
      if (step === "trial") ill.well = false;
      if (step === at) process.kill(process.pid, "SIGKILL");
    },
  });
  process.stderr.write(`${JSON.stringify(outcome)}\n`);
}

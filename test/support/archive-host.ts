import { startHost } from "../../host/index.ts";
import { archiveOf } from "./archives.ts";
import { askHost, edgeActor } from "./edge.ts";

/** A host process with an archive whose program hangs: says which process that is, and waits. Told URL and folder. */
const [nats = "", stateDirectory = ""] = process.argv.slice(2);
const host = await startHost({ nats, stateDirectory });
const actor = await host.startActor(edgeActor({ capabilities: ["demo:archive"] }));
const provider = host.openArchive(archiveOf(), "archived") as ReturnType<typeof host.openArchive> & { pid: number };
await host.link(actor, await host.startProvider(provider));
host.call(actor, "Call", askHost("demo:archive", "Spin", "")).catch(() => {});
process.stdout.write(`${JSON.stringify({ program: provider.pid })}\n`);

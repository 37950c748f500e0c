import { Option } from "commander";
import { describe } from "../../lattice/index.ts";
import type { HostFile, HostOptions } from "../../host/index.ts";
import { leaf, textOption, type Call, type Options } from "../command.ts";
import { asFirstWord, isDetached, startDetached, tellStarter } from "../detach.ts";
import { applyHostFile } from "../host-file.ts";
import { addHostSettings, hostOptions } from "../host-options.ts";
import { addLatticeSettings, labelsOfVariables, latticeOptions, limitsOfVariables } from "../lattice-options.ts";
import { Output } from "../output.ts";
import { Progress } from "../progress.ts";
import type { RunReport } from "../run-modules.ts";
import { printRun, runDocument } from "../run-report.ts";
import { serveUntilStopped, startInterruptibly } from "../serving.ts";

export const command = () =>
  leaf({
    name: "up",
    summary: "start a host as a service",
    options: (made) => {
      made
        .addOption(new Option("-f, --file <file>", "host file: actors, capabilities, links; - for standard input"))
        .addOption(new Option("-d, --detach", "return once it is ready and leave it running"))
        .addOption(new Option("--detached", "as --detach").hideHelp());
      made.addOption(new Option("--fresh", "start without what ran here before"));
      addLatticeSettings(made);
      addHostSettings(made);
    },
    more: `Examples:
  lattice up -f shop.yaml
  lattice up -d && lattice start actor counter.wasm
  lattice up --nats nats://127.0.0.1:4222 --label zone=a
  lattice down`,
    work: async (call) => {
      if (call.options.detach === true || call.options.detached === true) {
        if (!isDetached()) return detach(call);
        return serveDetached(call);
      }
      await serve(call);
    },
  });

/** Its output is a log that people read, whatever format the starter prints. */
async function serveDetached(call: Call): Promise<void> {
  const output = new Output({ ...call.output.options, format: "table", quiet: false, colour: "never" });
  try {
    await serve({ ...call, output });
  } catch (error) {
    await tellStarter(asFirstWord(error));
    throw error;
  }
}

async function serve({ output, options }: Call): Promise<void> {
  const { FileSwaps, startHost, readHostFile } = await import("../../host/index.ts");
  const path = textOption(options, "file");
  const file = path === undefined ? undefined : await readHostFile(path);
  const lattice = await latticeOptions(options, file?.nats, output);
  const progress = new Progress(output);
  progress.step("Starting a host");
  const host = await startHost(
    merged(remembering({ ...(await hostOptions(options)), ...lattice }, options, file), options, file),
  );
  const report = await startInterruptibly(host, async () => {
    if (file === undefined) return emptyReport;
    const applied = await applyHostFile(host, file, progress);
    if (file.path === "-") return applied;
    // A host without a folder for state runs all the same.
    const swapped = await FileSwaps.follow(host, file.path, options.fresh === true).catch((error: unknown) => [
      `the next start of ${file.path} will not know of swaps: ${describe(error)}`,
    ]);
    return { ...applied, warnings: [...applied.warnings, ...swapped] };
  }).finally(() => progress.done());
  for (const warning of report.warnings) output.warn(warning);
  if (isDetached()) await tellStarter({ ready: runDocument(host, report), id: host.id });
  else await printRun(output, host, report);
  await serveUntilStopped(host, output);
}

const emptyReport: RunReport = { actors: [], providers: [], links: [], warnings: [] };

/** A host that keeps its key keeps what it runs too, unless a file says what that is. */
function remembering(said: HostOptions, options: Options, file: HostFile | undefined): HostOptions {
  if (said.hostSeed === undefined || file !== undefined) return said;
  return { ...said, remember: options.fresh === true ? "fresh" : true };
}

/** What the command line says wins over the file. */
function merged(own: HostOptions, options: Options, file: HostFile | undefined): HostOptions {
  const said = {
    ...own,
    labels: { ...labelsOfVariables(), ...file?.labels, ...own.labels },
    limits: { ...limitsOfVariables(), ...file?.limits, ...own.limits },
  };
  if (file === undefined) return said;
  const named = textOption(options, "lattice") ?? textOption(options, "latticePrefix");
  return {
    ...said,
    ...(named === undefined && file.lattice !== undefined ? { lattice: file.lattice } : {}),
    ...(file.policy === undefined ? {} : { policy: file.policy }),
  };
}

async function detach({ output }: Call): Promise<void> {
  const { stateDirectory } = await import("../../host/index.ts");
  const progress = new Progress(output);
  progress.step("Starting a host");
  const { pid, log, word } = await startDetached(process.argv.slice(2), stateDirectory()).finally(() =>
    progress.done(),
  );
  const document = { ...word.ready, pid, log };
  if (output.format === "json") return output.line({ success: true, ...document });
  const text = `Host ${word.id} runs as process ${pid}; its log is ${log}\nStop it with lattice down`;
  await output.show(document, text, word.id);
}

import { Option } from "commander";
import { fail } from "../../lattice/index.ts";
import { collect, leaf, listOption, pairs, textOption, wholeNumber, type Call, type Options } from "../command.ts";
import { addHostSettings, hostOptions } from "../host-options.ts";
import { Progress } from "../progress.ts";
import { runModules } from "../run-modules.ts";
import { parseKeyvalue, parseLinkValue, type RunWishes } from "../run-plan.ts";
import { printRun } from "../run-report.ts";
import { serveUntilStopped, startInterruptibly } from "../serving.ts";

export const command = () =>
  leaf({
    name: "run",
    summary: "run signed modules behind HTTP, with default providers, on a host in this process",
    args: [["<module...>", "file, - for standard input, https URL or image (host/name:tag); several share the host"]],
    options: (made) => {
      made
        .addOption(
          new Option("-p, --port <port>", "where the first HTTP actor listens; 0 = any free port").default("8080"),
        )
        .addOption(new Option("--address <host>", "address that HTTP listens on").default("127.0.0.1"))
        .addOption(
          new Option("--kv <store>", "key-value store: memory, sqlite:FILE, redis://HOST, nats").default("memory"),
        )
        .addOption(
          new Option("--set <value>", "CONTRACT[/LINK]:KEY=VALUE, a link value, may be repeated").argParser(collect),
        )
        .addOption(new Option("--env <k=v>", "configuration of the actors, may be repeated").argParser(collect))
        .addOption(new Option("--dev", "run unsigned modules too, signing them on load with a local key"));
      addHostSettings(made);
    },
    more: `Examples:
  lattice run counter.wasm
  lattice run ghcr.io/me/counter:1.0
  lattice run web.wasm store.wasm --port 0 -o json
  lattice run counter.wasm --set keyvalue:deadline=500ms --env GREETING=hello`,
    work: run,
  });

async function run({ output, options, args }: Call): Promise<void> {
  const references = args.flat().filter((word) => word !== undefined);
  const [{ startHost }, { builtins }] = await Promise.all([
    import("../../host/index.ts"),
    import("../../capabilities/index.ts"),
  ]);
  const wishes = wishesOf(options, [...builtins.values()]);
  const env = pairs(listOption(options, "env"), "--env");
  if (references.filter((reference) => reference === "-").length > 1) throw fail("USAGE", "- can be given once");
  const development = options.dev === true;
  if (development) output.warn("--dev: unsigned modules are run, signed on load with a key made for this host");

  const progress = new Progress(output);
  progress.step("Starting a host");
  const host = await startHost({ ...(await hostOptions(options)), development });
  const report = await startInterruptibly(host, () =>
    runModules(host, references, { wishes, env, own: [...builtins.values()] }, progress),
  ).finally(() => progress.done());
  for (const warning of report.warnings) output.warn(warning);
  await printRun(output, host, report);
  await serveUntilStopped(host, output);
}

function wishesOf(options: Options, own: Parameters<typeof parseKeyvalue>[1]): RunWishes {
  return {
    address: textOption(options, "address") ?? "127.0.0.1",
    port: wholeNumber(textOption(options, "port") ?? "8080", "--port", 0, 65_535),
    keyvalue: parseKeyvalue(textOption(options, "kv") ?? "memory", own),
    values: listOption(options, "set").map(parseLinkValue),
  };
}

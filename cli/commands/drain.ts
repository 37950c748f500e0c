import { Option } from "commander";
import { fail } from "../../lattice/index.ts";
import { textOf, type Document } from "../client.ts";
import { leaf, textOption, type Call } from "../command.ts";
import { hostCalled, oneHost } from "../discovery.ts";
import { addHostOptions, timeoutOf } from "../host-command.ts";
import { Progress } from "../progress.ts";
import { hostsRunning } from "../things.ts";

export const command = () =>
  leaf({
    name: "drain",
    summary: "let a host or a provider finish what it holds and take no more",
    args: [["[words...]", "a host or a provider, by name, key or contract; `host` or `provider` may stand before it"]],
    options: (made) => {
      addHostOptions(made);
      made.addOption(new Option("-l, --link-name <name>", "the provider that serves this link name"));
    },
    work: async (call) => {
      const [first, second] = call.args.flat().filter((word) => word !== undefined);
      if (first === "cache") throw fail("USAGE", "this build keeps no cache that could be drained");
      if (first === "provider") {
        if (second === undefined) throw fail("USAGE", "lattice drain provider needs the provider");
        return drainProvider(call, second);
      }
      const named = first === "host" ? second : first;
      // A word that no host answers to means a provider.
      if (named !== undefined && first !== "host" && !(await hostCalled(named, call.options)))
        return drainProvider(call, named);
      return drainHost(call, named);
    },
  });

async function drainHost({ output, options }: Call, named: string | undefined): Promise<void> {
  const host = await oneHost(named === undefined ? options : { ...options, hostId: named }, output, true);
  const timeoutMs = timeoutOf(options);
  const progress = new Progress(output);
  progress.step("Draining");
  const answer = await host
    .call("drain", timeoutMs === undefined ? {} : { timeoutMs }, timeoutMs && timeoutMs + 2_000)
    .finally(() => progress.done());
  const id = textOf((answer.host ?? {}) as Document, "id");
  await output.show(answer, `Drained host ${id}; stop it with lattice stop host ${id}`, id);
}

async function drainProvider({ output, options }: Call, target: string): Promise<void> {
  const [{ client: host }] = await hostsRunning(options, { kind: "provider", target });
  const timeoutMs = timeoutOf(options);
  const linkName = textOption(options, "linkName");
  const progress = new Progress(output);
  progress.step(`Draining ${target}`);
  const asked = {
    target,
    ...(linkName === undefined ? {} : { linkName }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  const answer = await host
    .call("drain.provider", asked, timeoutMs && timeoutMs + 2_000)
    .finally(() => progress.done());
  const provider = (answer.provider ?? {}) as Document;
  const [name, id] = [textOf(provider, "name"), textOf(provider, "id")];
  await output.show(answer, `Drained provider ${name} (${id}); stop it with lattice stop provider, or swap it`, id);
}

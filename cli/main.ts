import { fail } from "../lattice/index.ts";
import { colourWords, type ColourWhen } from "./colour.ts";
import { watchInterrupts } from "./interrupt.ts";
import { commandGroups, commandsElsewhere, helpText } from "./help.ts";
import { formats, Output, plainOutput, type OutputOptions } from "./output.ts";
import { commandFiles, modernWords } from "./registry.ts";
import { whatIsOpen } from "./what-is-open.ts";

/** Runs one command line and sets the exit code of the process; it never rejects. */
export async function main(given: readonly string[]): Promise<void> {
  watchInterrupts();
  endWithLauncher();
  endQuietlyWhenNobodyReads();
  const argv = modernWords(given);
  try {
    await runCommand(argv);
  } catch (error) {
    process.exitCode = new Output(guessOutput(argv)).failure(error);
  }
}

async function runCommand(argv: readonly string[]): Promise<void> {
  const { name, rest } = commandOf(argv);
  if (name === undefined) {
    const unknown = argv.find((word) => word.startsWith("-") && !["-h", "--help"].includes(word));
    if (unknown !== undefined) throw fail("USAGE", `a command is needed; see lattice --help`);
    process.stdout.write(helpText());
    return;
  }
  if (name === "help") {
    if (rest.length === 0) process.stdout.write(helpText());
    else await runCommand([...rest.filter((word) => !word.startsWith("-")), "--help"]);
    return;
  }
  const load = commandFiles[name];
  if (load === undefined) throw await unknownCommand(name);
  const [{ program, usageError, CommanderError }, file] = await Promise.all([import("./command.ts"), load()]);
  const command = file.command();
  try {
    await program(command).parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const wrong = usageError(error, command, rest);
    if (wrong !== undefined) throw wrong;
  } finally {
    await whatIsOpen.close();
  }
}

/** The first word that is neither an option nor the value of one. */
function commandOf(argv: readonly string[]): { name: string | undefined; rest: readonly string[] } {
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (/^(-o|--output|--color)$/.test(word)) at++;
    else if (!word.startsWith("-")) return { name: word, rest: argv.slice(at + 1) };
  }
  return { name: undefined, rest: [] };
}

async function unknownCommand(name: string): Promise<Error> {
  if (commandsElsewhere.includes(name)) {
    return fail("USAGE", `lattice ${name} is not part of this build; lattice --help lists the commands that are`);
  }
  const known = commandGroups.flatMap((group) => group.commands.map((command) => command.name));
  const { nearestName } = await import("../host/index.ts");
  const meant = nearestName(name, known);
  return fail(
    "USAGE",
    meant === ""
      ? `there is no command ${name}; lattice --help lists them`
      : `there is no command ${name}; did you mean lattice ${meant}?`,
  );
}

/** How to print an error before, or although, the options could not be parsed. */
function guessOutput(argv: readonly string[]): OutputOptions {
  const end = argv.indexOf("--");
  const words = end < 0 ? argv : argv.slice(0, end);
  const valueOf = (...flags: readonly string[]) => {
    const at = words.findIndex((word) => flags.includes(word));
    if (at >= 0) return words[at + 1];
    return words
      .map((word) => flags.find((flag) => word.startsWith(`${flag}=`)) && word.replace(/^[^=]*=/, ""))
      .find(Boolean);
  };
  const format = formats.find(
    (known) => known === (valueOf("-o", "--output") ?? words.find((w) => /^-o\w/.test(w))?.slice(2)),
  );
  const colour: ColourWhen | undefined = colourWords.find((known) => known === valueOf("--color"));
  return {
    ...plainOutput,
    ...(format === undefined ? {} : { format }),
    ...(colour === undefined ? {} : { colour }),
    verbose: words.includes("--verbose"),
  };
}

/** Under the launcher of an older Node: when that is gone, even by kill -9, this process ends too. */
function endWithLauncher(): void {
  if (process.env.WASMLATTICE_LAUNCHED === undefined || process.channel === undefined) return;
  delete process.env.WASMLATTICE_LAUNCHED;
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  process.channel?.unref();
}

/** `lattice ... | head`: a reader that has seen enough is no error. */
function endQuietlyWhenNobodyReads(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  process.stderr.on("error", () => {});
}

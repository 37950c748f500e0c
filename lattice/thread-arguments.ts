/** Options that say what the first script of a process is, and whether a value of its own follows. */
const ofScript: ReadonlyMap<string, boolean> = new Map([
  ["--input-type", true],
  ["-e", true],
  ["--eval", true],
  ["-p", true],
  ["--print", true],
  ["-pe", true],
  ["-i", false],
  ["--interactive", false],
]);

/**
 * Options of Node for a thread of ours: those of this process, but for what is about a script that was
 * given as text. With `--input-type` no thread of a file would start.
 */
export function threadArguments(given: readonly string[] = process.execArgv): string[] {
  const kept: string[] = [];
  for (let at = 0; at < given.length; at++) {
    const argument = given[at]!;
    const [name = ""] = argument.split("=", 1);
    const takesValue = ofScript.get(name);
    if (takesValue === undefined) kept.push(argument);
    else if (takesValue && name === argument) at++;
  }
  return kept;
}

/**
 * Options of Node for a thread of ours: those of this process, which it inherits when nothing is said,
 * but none where a program was given as text with `--input-type`: no thread of a file would start. To
 * name the others there does not work: of a list that is given Node refuses all that is no thread's.
 */
export function threadArguments(given: readonly string[] = process.execArgv): { execArgv?: string[] } {
  return given.some((argument) => argument.split("=", 1)[0] === "--input-type") ? { execArgv: [] } : {};
}

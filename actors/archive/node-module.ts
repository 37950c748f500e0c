import { spawnSync } from "node:child_process";
import { isBuiltin } from "node:module";
import { fail } from "../../lattice/index.ts";

/** The target of a provider that is one ES module for any machine's Node. Old hosts look for their own and find none. */
export const nodeTarget = "node";

/** By its ending: a module of JavaScript or TypeScript. */
export function isModuleFile(file: string): boolean {
  return /\.m?[jt]s$/i.test(file);
}

/** What a module of an archive may import: Node's own modules and this package, of the host that runs it. */
export function mayImport(specifier: string): boolean {
  return isBuiltin(specifier) || /^wasmlattice(?:\/|$)/.test(specifier);
}

/**
 * The module as an archive holds it: JavaScript, TypeScript's types erased, in one piece. What it imports by
 * `import()` shows when it runs.
 * @throws LatticeError ARCHIVE_MODULE_INVALID when it does not parse, or imports what is not in the archive.
 */
export function nodeModule(file: string, source: Uint8Array): Uint8Array {
  const { code, imports, problem } = read(source, /ts$/i.test(file));
  if (code === undefined || imports === undefined)
    throw fail("ARCHIVE_MODULE_INVALID", file, problem ?? "Node cannot read it");
  const foreign = [...new Set(imports.filter((specifier) => !mayImport(specifier)))];
  if (foreign.length > 0)
    throw fail("ARCHIVE_MODULE_INVALID", file, `it imports ${foreign.join(", ")}, which would not be in there`);
  return new Uint8Array(Buffer.from(code));
}

interface Read {
  readonly code?: string;
  readonly imports?: readonly string[];
  readonly problem?: string;
}

/** Runs nothing of the module. */
const reader = `
const { SourceTextModule } = require("node:vm");
const { stripTypeScriptTypes } = require("node:module");
let answer;
try {
  const source = new TextDecoder("utf-8", { fatal: true }).decode(require("node:fs").readFileSync(0));
  const code = process.argv[1] === "ts" ? stripTypeScriptTypes(source) : source;
  const imports = new SourceTextModule(code).moduleRequests.map(({ specifier }) => specifier);
  answer = { code, imports };
} catch (error) {
  answer = { problem: String(error.message) };
}
process.stdout.write(JSON.stringify(answer));
`;

/** Node's own parser tells the imports, behind a flag that this process does not have. */
function read(source: Uint8Array, typed: boolean): Read {
  const flags = ["--experimental-vm-modules", "--no-warnings"];
  const { stdout, error } = spawnSync(process.execPath, [...flags, "-e", reader, typed ? "ts" : "js"], {
    input: source,
    encoding: "utf8",
    maxBuffer: 512 * 1024 * 1024,
    env: {},
  });
  if (error) return { problem: error.message };
  try {
    return JSON.parse(stdout) as Read;
  } catch {
    return {};
  }
}

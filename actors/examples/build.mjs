/**
 * Builds the example actors whose toolchain is on this machine and says which it skipped and why.
 *
 *   node actors/examples/build.mjs [NAME...]     into .cache/examples, unsigned
 *   node actors/examples/build.mjs --sign KEYS   and signs them into their folders with the real wash,
 *                                                keys in folder KEYS, which lies outside the repository
 */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build, repository, sign } from "./toolchains.mjs";

const here = import.meta.dirname;
const listFile = join(here, "examples.json");

/** The examples as their list describes them. */
export function examples() {
  return JSON.parse(readFileSync(listFile, "utf8"));
}

/** Where the unsigned build of an example goes; its file name decides which module key wash uses. */
export function unsignedFile(example) {
  return join(repository, ".cache/examples", `${dirname(example.file)}.wasm`);
}

/** Builds one example. Answers undefined, or why it was skipped. */
export function buildExample(example) {
  return build(example.language, join(here, example.source), unsignedFile(example));
}

/** wash's options for what the list says of a module. */
export function washFlags({ name, claims, call_alias: alias, portable_provider: portable, revision = 1, version = "0.1.0" }) {
  return [
    ...["-n", name, "-r", String(revision), "-v", version],
    ...(alias ? ["-a", alias] : []),
    ...(portable ? ["-p"] : []),
    ...claims.flatMap((claim) => ["-c", claim]),
  ];
}

function main(args) {
  const signing = args.indexOf("--sign");
  const keys = signing < 0 ? undefined : args.splice(signing, 2)[1];
  const list = examples();
  let skipped = 0;
  let changed = false;
  for (const example of list.examples) {
    const label = dirname(example.file);
    if (args.length > 0 && !args.includes(label)) continue;
    const missing = buildExample(example);
    if (missing) {
      skipped++;
      console.log(`skipped  ${label}: ${missing}`);
      continue;
    }
    const unsigned = unsignedFile(example);
    console.log(`built    ${label}: ${statSync(unsigned).size} bytes`);
    if (!keys) continue;
    const signed = sign(unsigned, join(here, example.file), washFlags(example), keys);
    changed ||= example.module !== signed.module || list.account !== signed.account;
    example.module = signed.module;
    list.account = signed.account;
    console.log(`signed   ${example.file} as ${signed.module}`);
  }
  if (changed) writeFileSync(listFile, `${JSON.stringify(list, undefined, 2)}\n`);
  if (skipped > 0) console.log(`${skipped} skipped; the signed modules in the repository are used instead`);
  return list.examples.every((example) => existsSync(join(here, example.file))) ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) process.exitCode = main(process.argv.slice(2));

/**
 * Builds the corpus of test guests from source, as far as the toolchains are on this machine.
 *
 *   node test/guests/build.mjs [NAME...]     into .cache/guests, unsigned
 *   node test/guests/build.mjs --sign KEYS   and signs them into test/guests/bin: with the real wash, or,
 *                                            where guests.json asks for a historic token, as tools of
 *                                            that time did. KEYS lies outside the repository.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, repository, sign } from "../../actors/examples/toolchains.mjs";
import { washFlags } from "../../actors/examples/build.mjs";
import { historicKeyFromSeed, historicSeed, signHistorically } from "../support/historic-tokens.ts";

const here = import.meta.dirname;
const listFile = join(here, "guests.json");

export function guests() {
  return JSON.parse(readFileSync(listFile, "utf8"));
}

/** Where the unsigned build of a guest goes; its file name decides which module key signs it. */
export function unsignedFile(guest) {
  return join(repository, ".cache/guests", `guest-${guest.name}.wasm`);
}

/** Builds one guest. Answers undefined, or why it was skipped. */
export function buildGuest(guest) {
  return build(guest.language, join(here, guest.source), unsignedFile(guest));
}

function key(kind, name, keys) {
  const file = join(keys, `${name}.nk`);
  if (!existsSync(file)) writeFileSync(file, historicSeed(kind, randomBytes(32)), { mode: 0o600 });
  return historicKeyFromSeed(readFileSync(file, "utf8"));
}

function signGuest(guest, keys) {
  const output = join(here, guest.file);
  if (guest.token === undefined) return sign(unsignedFile(guest), output, washFlags(guest), keys);
  const issuer = key("account", "user_account", keys);
  const subject = key("module", `guest-${guest.name}_module`, keys);
  const { section, issued_at: issuedAt, ...shape } = guest.token;
  const claims = { ...shape, issuedAt: Date.parse(issuedAt) / 1000, name: guest.name, capabilities: guest.claims };
  const signed = signHistorically(readFileSync(unsignedFile(guest)), claims, { issuer, subject }, section);
  writeFileSync(output, signed);
  return { module: subject.publicKey, account: issuer.publicKey };
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

function main(args) {
  const signing = args.indexOf("--sign");
  const keys = signing < 0 ? undefined : args.splice(signing, 2)[1];
  const list = guests();
  let changed = false;
  mkdirSync(join(here, "bin"), { recursive: true });
  for (const guest of list.guests) {
    if (args.length > 0 && !args.includes(guest.name)) continue;
    const missing = buildGuest(guest);
    if (missing) {
      say(`skipped  ${guest.name}: ${missing}`);
      continue;
    }
    say(`built    ${guest.name}: ${statSync(unsignedFile(guest)).size} bytes`);
    if (!keys) continue;
    const signed = signGuest(guest, keys);
    changed ||= guest.module !== signed.module || list.account !== signed.account;
    guest.module = signed.module;
    list.account = signed.account;
    say(`signed   ${guest.file} as ${signed.module}`);
  }
  if (changed) writeFileSync(listFile, `${JSON.stringify(list, undefined, 2)}\n`);
}

if (process.argv[1] === import.meta.filename) main(process.argv.slice(2));

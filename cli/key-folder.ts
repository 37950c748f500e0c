import { constants, copyFileSync, existsSync, linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fail, failFrom, fileTrouble, isLatticeError, KeyPair, type KeyKind, nuid } from "../lattice/index.ts";
import { setting } from "./context.ts";
import { readBytes, readInput } from "./files.ts";
import type { Output } from "./output.ts";

const suffix = ".nk";

/** Words for kinds of keys: nkeys' own and wash's. */
const kindWords: Readonly<Record<string, KeyKind>> = {
  account: "account",
  cluster: "cluster",
  module: "module",
  actor: "module",
  server: "server",
  host: "server",
  operator: "operator",
  user: "user",
  service: "service",
  provider: "service",
  curve: "curve",
};

export const keyKindWords: readonly string[] = Object.keys(kindWords);

/** @throws LatticeError USAGE naming the known kinds. */
export function parseKeyKind(word: string): KeyKind {
  const kind = Object.hasOwn(kindWords, word.toLowerCase()) ? kindWords[word.toLowerCase()] : undefined;
  if (kind === undefined) throw fail("USAGE", `there is no kind of key "${word}"; use ${keyKindWords.join(", ")}`);
  return kind;
}

/** The folder of seeds, one in each `NAME.nk`, as wash keeps them: the one named, else by settings. */
export class KeyFolder {
  readonly path: string;

  constructor(path: string = setting("keys").value) {
    this.path = path;
  }

  /** Names without `.nk`, sorted. A folder that is not there holds none. */
  names(): string[] {
    try {
      const files = readdirSync(this.path).filter((name) => name.endsWith(suffix));
      return files.map((name) => name.slice(0, -suffix.length)).toSorted();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw failFrom(error, "FILE_UNREADABLE", this.path, fileTrouble(error));
    }
  }

  /** @throws LatticeError KEY_ABSENT, KEY_MALFORMED, KEY_WRONG_KIND. */
  get(name: string, kind?: KeyKind): KeyPair {
    const file = this.#file(name);
    if (!existsSync(file)) throw fail("KEY_ABSENT", name, this.path);
    return KeyPair.fromSeed(readBytes(file, seedBytes).toString("utf8").trim(), kind);
  }

  /**
   * The key of this name; made on first use, which is said on stderr.
   * @throws LatticeError KEY_ABSENT when `make` is false and there is none.
   */
  getOrMake(name: string, kind: KeyKind, make: boolean, output: Output): KeyPair {
    if (existsSync(this.#file(name)) || !make) return this.get(name, kind);
    const pair = KeyPair.generate(kind);
    try {
      this.put(name, pair);
    } catch (error) {
      // Another process made it a moment ago: all use one.
      if (isLatticeError(error) && error.code === "KEY_EXISTS") return this.get(name, kind);
      throw error;
    }
    output.note(`Made ${kind} key ${pair.publicKey} in ${this.#file(name)}`);
    return pair;
  }

  /** Writes a seed for this user alone, in one step; never over another one. @throws LatticeError KEY_EXISTS, FILE_UNWRITABLE. */
  put(name: string, pair: KeyPair): void {
    const file = this.#file(name);
    const fresh = `${file}.${nuid()}`;
    try {
      mkdirSync(this.path, { recursive: true, mode: 0o700 });
      writeFileSync(fresh, pair.seed, { mode: 0o600, flag: "wx" });
      linkOrCopy(fresh, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") throw fail("KEY_EXISTS", name, this.path);
      throw failFrom(error, "FILE_UNWRITABLE", file, fileTrouble(error));
    } finally {
      rmSync(fresh, { force: true });
    }
  }

  #file(name: string): string {
    const plain = name.endsWith(suffix) ? name : `${name}${suffix}`;
    if (basename(plain) !== plain) throw fail("USAGE", `"${name}" is not the name of a key`);
    return join(this.path, plain);
  }
}

/** Whoever reads `to` finds it whole, but on file systems without links. @throws EEXIST when it is there. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw error;
    copyFileSync(from, to, constants.COPYFILE_EXCL);
  }
}

/** Far more than a seed and the space around it have. */
const seedBytes = 4_096;
const looksLikeSeed = /^S[A-Z][A-Z2-7]{56}$/;

/**
 * The key that a flag or variable refers to: a file, `@file` or `-` for standard input. A variable may
 * hold the seed itself.
 * @throws LatticeError USAGE for a seed on the command line, which every user of the machine can see.
 */
export async function keyFromReference(
  reference: string,
  kind: KeyKind,
  flag: string,
  fromVariable = false,
): Promise<KeyPair> {
  if (looksLikeSeed.test(reference.trim())) {
    if (fromVariable) return KeyPair.fromSeed(reference.trim(), kind);
    throw fail(
      "USAGE",
      `${flag} takes the file of a seed, or - for standard input: a seed on the command line is seen by others`,
    );
  }
  const file = reference.startsWith("@") ? reference.slice(1) : reference;
  return KeyPair.fromSeed((await readInput(file, seedBytes)).toString("utf8").trim(), kind);
}

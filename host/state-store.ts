import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "../lattice/index.ts";
import { privateFolder, readPrivate, setAside, writeAtomically } from "./private-files.ts";

/** Told once for each file that was set aside; goes to the host's log. */
export type Warn = (text: string) => void;

const format = "wasmlattice-state";
const mostBytes = 64 * 1024 * 1024;

interface Envelope {
  readonly format: string;
  /** Of the value's shape, chosen by who writes it. */
  readonly version: number;
  /** Hex SHA-256 of the value as JSON, so that a half-written or edited file is noticed. */
  readonly digest: string;
  readonly value: unknown;
}

/**
 * Values that survive a restart, one JSON file each, in a folder of mode 0700. A file that is
 * broken, or written by a newer version, is set aside with a warning and counts as absent: bad state
 * never keeps a host from starting.
 */
export class StateStore {
  readonly folder: string;
  readonly #warn: Warn;
  /** Writes under way: they follow each other, and of those that wait only the last one matters. */
  readonly #writing = new Map<string, { next: (() => Promise<void>) | undefined; done: Promise<void> }>();

  private constructor(folder: string, warn: Warn) {
    this.folder = folder;
    this.#warn = warn;
  }

  /** @throws LatticeError FILE_UNREADABLE when the folder cannot be made or is somebody else's. */
  static async open(folder: string, warn: Warn): Promise<StateStore> {
    await privateFolder(folder);
    return new StateStore(folder, warn);
  }

  /**
   * The value of `name`, or `undefined`. `migrate` gets the stored version, at most `version`, and
   * answers the value in today's shape; what it throws counts as a broken file.
   */
  async read<T>(name: string, version: number, migrate: (value: unknown, from: number) => T): Promise<T | undefined> {
    const path = this.#path(name);
    const bytes = await readPrivate(path, mostBytes);
    if (!bytes) return undefined;
    try {
      const envelope = opened(bytes.toString("utf8"));
      if (envelope.version > version) {
        throw new Error(`it is of version ${envelope.version}, this host knows ${version}`);
      }
      return migrate(envelope.value, envelope.version);
    } catch (error) {
      this.#warn(`${path} cannot be used (${describe(error)}); it lies in ${await setAside(path)} now`);
      return undefined;
    }
  }

  /** Replaces the value of `name`; resolves when it, or a later one, is on the disk. `value` is copied at once. */
  async write(name: string, version: number, value: unknown): Promise<void> {
    const path = this.#path(name);
    const text = sealed(version, value);
    await this.#inTurn(name, () => writeAtomically(path, text));
  }

  async remove(name: string): Promise<void> {
    const path = this.#path(name);
    await this.#inTurn(name, () => rm(path, { force: true }));
  }

  /** Names are of this program, not of users; a slip must not leave the folder. */
  #path(name: string): string {
    if (!/^[A-Za-z0-9][\w-]{0,99}$/.test(name)) throw new RangeError(`not a name of state: ${name}`);
    return join(this.folder, `${name}.json`);
  }

  async #inTurn(name: string, work: () => Promise<void>): Promise<void> {
    const current = this.#writing.get(name);
    if (current) {
      current.next = work;
      return await current.done;
    }
    const entry = { next: work as (() => Promise<void>) | undefined, done: Promise.resolve() };
    this.#writing.set(name, entry);
    entry.done = this.#drain(name, entry);
    await entry.done;
  }

  async #drain(name: string, entry: { next: (() => Promise<void>) | undefined }): Promise<void> {
    try {
      while (entry.next) {
        const work = entry.next;
        entry.next = undefined;
        await work();
      }
    } finally {
      this.#writing.delete(name);
    }
  }
}

function sealed(version: number, value: unknown): string {
  const digest = digestOf(JSON.stringify(value));
  const envelope: Envelope = { format, version, digest, value };
  return `${JSON.stringify(envelope, undefined, 2)}\n`;
}

function opened(text: string): Envelope {
  const { format: found, version, digest, value } = JSON.parse(text) as Partial<Envelope>;
  if (found !== format || !Number.isInteger(version)) throw new Error("it is not a state file");
  if (digest !== digestOf(JSON.stringify(value))) throw new Error("it was changed after it was written");
  return { format, version: version as number, digest, value };
}

const digestOf = (text: string | undefined): string =>
  createHash("sha256")
    .update(text ?? "")
    .digest("hex");

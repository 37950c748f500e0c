import { createHash } from "node:crypto";
import { canonicalContract, describe } from "../lattice/index.ts";
import type { HostEvent } from "./events.ts";
import type { Host } from "./host.ts";
import { StateStore } from "./state-store.ts";
import type { ProviderRecord } from "./wanted.ts";

/** What swaps have made of one provider of a host file. */
interface Note {
  /** Of its reference and settings as the file has them; another one means that the file was edited since. */
  readonly digest: string;
  /** What serves instead of it. */
  stood?: { readonly to: string; readonly at: string };
  /** The swap under way. */
  open?: { readonly id: string; readonly from: string; readonly to: string; switched: boolean };
}

interface Slot {
  readonly contractId: string;
  readonly linkName: string;
}

const version = 1;

/**
 * What swaps of the last hosts of a file have put in the place of its providers. A host file says what
 * runs, so a new start has the file's providers again; what differs is told then, until the file is
 * edited there or a start is told to forget. Hosts of the same file share what is noted.
 */
export class FileSwaps {
  readonly #host: Host;
  readonly #store: StateStore;
  readonly #name: string;
  readonly #notes: Map<string, Note>;

  private constructor(host: Host, store: StateStore, name: string, notes: Map<string, Note>) {
    this.#host = host;
    this.#store = store;
    this.#name = name;
    this.#notes = notes;
  }

  /**
   * Follows the swaps of a host that has just started all of the file at `path`; answers warnings about those of
   * the hosts before it. One that was cut off is also an event, unless the host's own journal tells it.
   * @throws LatticeError FILE_UNREADABLE when the state directory cannot be used.
   */
  static async follow(host: Host, path: string, fresh: boolean): Promise<readonly string[]> {
    const store = await StateStore.open(host.config.stateDirectory, (text) => host.logger.warn(text));
    const name = `file-${hash(path).slice(0, 32)}`;
    const kept = fresh ? undefined : await store.read(name, version, readNotes);
    const swaps = new FileSwaps(host, store, name, new Map(kept));
    const warnings = [...swaps.#notes].flatMap(([key, note]) => swaps.#tell(key, note, path));
    await swaps.#write();
    const started = new Map([...host.wanted.providers.values()].map((record) => [keyOf(record.spec), digest(record)]));
    host.events.subscribe((event) => swaps.#hear(event, started));
    return warnings;
  }

  #tell(key: string, note: Note, path: string): string[] {
    const record = this.#of(key);
    const [contractId = "", linkName = ""] = JSON.parse(key) as string[];
    const { open, stood } = note;
    delete note.open;
    if (!record || digest(record) !== note.digest) {
      this.#notes.delete(key);
      if (!record) return [];
    } else if (!stood) this.#notes.delete(key);
    const serves = `${record.reference} serves, as ${path} says`;
    const warnings: string[] = [];
    if (open) {
      const { id: swap_id, from, to } = open;
      if (this.#host.config.hostSeed === undefined)
        this.#host.events.emit("swap_interrupted", {
          swap_id,
          contract_id: contractId,
          link_name: linkName,
          from,
          to,
          stands: "old",
        });
      const left = open.switched ? `; what ${to} was given stays there` : "";
      warnings.push(
        `the swap of ${from} for ${to} (${contractId}) was cut off with the last process: ${serves}${left}`,
      );
    }
    if (stood && this.#notes.has(key)) {
      const way = "name that one in the file to keep it, or start with --fresh to forget it";
      warnings.push(
        `a swap of ${stood.at} put ${stood.to} behind ${contractId} (link name ${linkName}), and now ${serves}: ${way}`,
      );
    }
    return warnings;
  }

  #hear({ type, time, data }: HostEvent, started: ReadonlyMap<string, string>): void {
    const { swap_id: id, contract_id: contractId, link_name: linkName, from, to } = data as Record<string, string>;
    if (type === "swap_step") {
      const open = [...this.#notes.values()].find((note) => note.open?.id === id)?.open;
      if (!open || open.switched || data["step"] !== "switched") return;
      open.switched = true;
      return this.#save();
    }
    if (!["swap_started", "swapped", "swap_failed", "swap_returned"].includes(type)) return;
    const key = keyOf({ contractId: contractId!, linkName: linkName! });
    const own = started.get(key);
    // Started later, by somebody else than the file.
    if (own === undefined) return;
    const note = this.#notes.get(key) ?? { digest: own };
    delete note.open;
    if (type === "swap_started") note.open = { id: id!, from: from!, to: to!, switched: false };
    if (type === "swapped") note.stood = { to: to!, at: time };
    const now = this.#of(key);
    const asInFile = note.stood !== undefined && now !== undefined && digest(now) === own;
    if (type !== "swap_started" && (asInFile || !note.stood)) this.#notes.delete(key);
    else this.#notes.set(key, note);
    this.#save();
  }

  #of(key: string): ProviderRecord | undefined {
    return [...this.#host.wanted.providers.values()].find(({ spec }) => keyOf(spec) === key);
  }

  #save(): void {
    this.#write().catch((error: unknown) => {
      this.#host.logger.warn(`the next start of this host file will not know of its swaps: ${describe(error)}`);
    });
  }

  #write(): Promise<void> {
    if (this.#notes.size === 0) return this.#store.remove(this.#name);
    return this.#store.write(this.#name, version, [...this.#notes]);
  }
}

function keyOf({ contractId, linkName }: Slot): string {
  return JSON.stringify([canonicalContract(contractId), linkName]);
}

function digest({ reference, spec }: ProviderRecord): string {
  return hash(JSON.stringify([reference, Object.entries(spec.config).toSorted(([a], [b]) => (a < b ? -1 : 1))]));
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The file is sealed by its digest, so only its outline is looked at. */
function readNotes(value: unknown): readonly [string, Note][] {
  if (!Array.isArray(value) || !value.every((each) => Array.isArray(each) && each.length === 2))
    throw new Error("it holds no swaps of a host file");
  return value as [string, Note][];
}

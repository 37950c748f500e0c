import { fail } from "../../lattice/index.ts";
import type { PeerActor, PeerProvider } from "../remote/peers.ts";
import { mostRows, type Presence } from "./presence-message.ts";

/** More parts would be an attack. */
const mostParts = 1_024;
/** `"part":N,"parts":N` and the commas between rows. */
const roomForNumbers = 64;

/** What is told of a host, as messages, and the names of what is left out because no message can hold it. */
export interface PresenceParts {
  readonly parts: readonly Presence[];
  readonly leftOut: readonly string[];
}

/** One presence in as few messages as `mostBytes` allows each; all say the same of the host and each some of its rows. */
export function inParts(presence: Presence, mostBytes: number): PresenceParts {
  if (bytesOf(presence) <= mostBytes) return { parts: [presence], leftOut: [] };
  const bare: Presence = { ...presence, actors: [], providers: [] };
  const room = mostBytes - bytesOf(bare) - roomForNumbers;
  const leftOut: string[] = [];
  const filled: { actors: PeerActor[]; providers: PeerProvider[] }[] = [{ actors: [], providers: [] }];
  let free = room;
  const place = (row: PeerActor | PeerProvider): (typeof filled)[number] | undefined => {
    const bytes = bytesOf(row) + 1;
    if (bytes > room) {
      leftOut.push(row.name);
      return undefined;
    }
    if (bytes > free) {
      filled.push({ actors: [], providers: [] });
      free = room;
    }
    free -= bytes;
    return filled.at(-1);
  };
  for (const actor of presence.actors) place(actor)?.actors.push(actor);
  for (const provider of presence.providers) place(provider)?.providers.push(provider);
  const parts = filled.length;
  return { parts: filled.map((rows, part) => ({ ...bare, ...rows, part, parts })), leftOut };
}

/** Puts the parts of each host together again; of a host only those of its latest announcement are kept. */
export class PartsBook {
  readonly #open = new Map<string, { readonly at: number; readonly parts: Map<number, Presence> }>();

  /**
   * The whole presence once its last part is here. What comes twice counts once.
   * @throws LatticeError PRESENCE_INVALID for numbers that cannot be, and too many rows together.
   */
  take(presence: Presence): Presence | undefined {
    const { host, at, part = 0, parts = 1 } = presence;
    if (!(Number.isInteger(parts) && parts >= 1 && parts <= mostParts && Number.isInteger(part) && part >= 0))
      throw fail("PRESENCE_INVALID", `that of ${host} has impossible parts`);
    if (part >= parts) throw fail("PRESENCE_INVALID", `that of ${host} has impossible parts`);
    const known = this.#open.get(host);
    if (known && known.at > at) return undefined;
    const open = known?.at === at ? known : { at, parts: new Map<number, Presence>() };
    open.parts.set(part, presence);
    if (open.parts.size < parts) {
      this.#open.set(host, open);
      return undefined;
    }
    this.#open.delete(host);
    if (parts === 1) return presence;
    const all = [...open.parts].toSorted(([a], [b]) => a - b).map(([, each]) => each);
    const { part: _part, parts: _parts, ...rest } = presence;
    const whole = {
      ...rest,
      actors: all.flatMap(({ actors }) => actors),
      providers: all.flatMap(({ providers }) => providers),
    };
    if (whole.actors.length > mostRows || whole.providers.length > mostRows)
      throw fail("PRESENCE_INVALID", `that of ${host} has more than ${mostRows} rows`);
    return whole;
  }

  forget(host: string): void {
    this.#open.delete(host);
  }
}

function bytesOf(value: object): number {
  return Buffer.byteLength(JSON.stringify(value));
}

import { type EventName, type HostEvent, latticeEventNames } from "../events.ts";

/** One event as it travels. Source: lattice protocol reference, section 7; captures of 0.82, section 5. */
export interface CloudEvent {
  readonly specversion: "1.0";
  readonly id: string;
  readonly type: string;
  readonly source: string;
  readonly datacontenttype: "application/json";
  /** RFC 3339. */
  readonly time: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The others are ours, and their type says so. */
const known: ReadonlySet<EventName> = new Set(latticeEventNames);

export function cloudEvent({ id, type, time, data }: Omit<HostEvent, "sequence">, source: string): CloudEvent {
  const prefix = known.has(type) ? "com.wasmcloud.lattice" : "com.wasmlattice.lattice";
  return enveloped({ id, time, data }, `${prefix}.${type}`, source);
}

/** `type` is whole, with its prefix. */
export function enveloped(
  { id, time, data }: Pick<CloudEvent, "id" | "time" | "data">,
  type: string,
  source: string,
): CloudEvent {
  return { specversion: "1.0", id, type, source, datacontenttype: "application/json", time, data };
}

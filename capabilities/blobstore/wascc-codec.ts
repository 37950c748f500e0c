import { type Era, type MsgpackValue, pack, unpack } from "../../lattice/index.ts";
import { Malformed } from "../codec/malformed.ts";
import { Taken } from "./fields.ts";
import type { ObjectInfo } from "./store.ts";

/**
 * The contract until E3, in MessagePack: arrays in E1, maps after it. Until E2 a blob names its container,
 * from E3 on it holds one. Source: waPC and actors reference, section 11.7.
 */
const chunkFields = ["sequenceNo", "container", "id", "totalBytes", "chunkSize", "chunkBytes", "context"];
const positions: Readonly<Record<string, readonly string[]>> = {
  CreateContainer: ["id"],
  RemoveContainer: ["id"],
  ListObjects: ["id"],
  GetObjectInfo: ["id", "container"],
  RemoveObject: ["id", "container"],
  StartUpload: chunkFields,
  UploadChunk: chunkFields,
  StartDownload: ["id", "container", "chunkSize", "context"],
};

/** @throws Malformed, LatticeError PAYLOAD_MALFORMED */
export function readWascc(era: Era, operation: string, payload: Uint8Array): Taken {
  if (era === "E0") throw new Malformed("blob stores of era E0 are not spoken; build the actor with a later SDK");
  const value = unpack(payload, operation);
  const names = positions[operation] ?? [];
  if (Array.isArray(value)) return new Taken(Object.fromEntries(names.map((name, i) => [name, value[i] as unknown])));
  const taken = new Taken(value);
  return taken.has("chunk") ? taken.inner("chunk") : taken;
}

/** The container that a request names, by its id or inside a structure. */
export function containerOf(taken: Taken): string {
  try {
    return taken.name("container", "containerId", "container_id", "id");
  } catch {
    return taken.inner("container").name("id");
  }
}

export function containerReply(era: Era, id: string): Uint8Array {
  return structure(era, { id });
}

export function blobReply(era: Era, info: Pick<ObjectInfo, "container" | "id" | "bytes"> | undefined): Uint8Array {
  return structure(era, blobValue(era, info));
}

export function blobsReply(era: Era, infos: readonly ObjectInfo[]): Uint8Array {
  const blobs = infos.map((info) => blobValue(era, info));
  return structure(era, { blobs: era === "E1" ? blobs.map((blob) => Object.values(blob)) : blobs });
}

/** E3 tells how it went; the eras before it take no error for success. */
export function outcomeReply(era: Era, problem?: string): Uint8Array {
  if (era !== "E3") return new Uint8Array(0);
  return pack({ success: problem === undefined, error: problem ?? null });
}

export function chunkReply(
  era: Era,
  { container, id, bytes: totalBytes }: ObjectInfo,
  context: string,
  sequenceNo: number,
  chunkSize: number,
  chunkBytes: Uint8Array,
): Uint8Array {
  const chunk = { sequenceNo, container: within(era, container), id, totalBytes, chunkSize, chunkBytes };
  return structure(era, era === "E3" ? { ...chunk, context } : chunk);
}

/** Whether an actor wants no more. */
export function readCancel(reply: Uint8Array): boolean {
  if (reply.length === 0) return false;
  const value = unpack(reply, "ReceiveChunk");
  return typeof value === "object" && value !== null && (value as { cancelDownload?: unknown }).cancelDownload === true;
}

function blobValue(era: Era, info: Pick<ObjectInfo, "container" | "id" | "bytes"> | undefined) {
  if (!info) return { id: "none", container: within(era, "none"), byteSize: 0 };
  return { id: info.id, container: within(era, info.container), byteSize: info.bytes };
}

function within(era: Era, container: string): MsgpackValue {
  return era === "E3" ? { id: container } : container;
}

function structure(era: Era, fields: { readonly [name: string]: MsgpackValue }): Uint8Array {
  return pack(era === "E1" ? Object.values(fields) : fields);
}

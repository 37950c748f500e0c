import { describe } from "../../lattice/index.ts";
import type { ProviderCall } from "../provider.ts";
import type { Desk } from "./e4-operations.ts";
import type { Taken } from "./fields.ts";
import { blobReply, blobsReply, containerOf, containerReply, outcomeReply } from "./wascc-codec.ts";

type Operation = (desk: Desk, asked: Taken, call: ProviderCall) => Promise<Uint8Array>;

/** The operations of the contract until E3. Source: waPC and actors reference, section 11.7. */
export const wasccOperations: ReadonlyMap<string, Operation> = new Map(
  Object.entries<Operation>({
    CreateContainer: async ({ store }, asked, { era }) => {
      const id = asked.name("id", "container_id", "containerId");
      await store.createContainer(id);
      return containerReply(era, id);
    },
    RemoveContainer: ({ store }, asked, { era }) =>
      told(era, async () => {
        await store.removeContainer(asked.name("id", "container_id", "containerId"));
      }),
    ListObjects: async ({ store }, asked, { era }) =>
      blobsReply(era, (await store.objects(asked.name("id", "container_id", "containerId"))) ?? []),
    GetObjectInfo: async ({ store }, asked, { era }) =>
      blobReply(era, await store.object(containerOf(asked), asked.name("blob_id", "blobId", "id"))),
    RemoveObject: ({ store }, asked, { era }) =>
      told(era, async () => {
        await store.removeObject(containerOf(asked), asked.name("id", "blob_id", "blobId"));
      }),
    StartUpload: ({ uploads }, asked, { era, link }) =>
      told(era, async () => {
        const stream = await uploads.begin(link.id, containerOf(asked), asked.name("id"));
        if (asked.count("totalBytes", "total_bytes") === 0)
          await uploads.append(link.id, stream, new Uint8Array(0), 0, true);
      }),
    UploadChunk: ({ uploads }, asked, { era, link }) =>
      told(era, async () => {
        const stream = uploads.find(link.id, containerOf(asked), asked.name("id"));
        const bytes = asked.bytes("chunkBytes", "chunk_bytes");
        const size = asked.count("chunkSize", "chunk_size") ?? 0;
        const offset = (asked.count("sequenceNo", "sequence_no") ?? 0) * size;
        const total = asked.count("totalBytes", "total_bytes") ?? 0;
        await uploads.append(link.id, stream, bytes, offset, offset + bytes.length >= total);
      }),
    StartDownload: ({ downloads }, asked, call) =>
      told(call.era, async () => {
        const size = asked.count("chunkSize", "chunk_size") ?? 0;
        await downloads.wascc(
          containerOf(asked),
          asked.name("blob_id", "blobId", "id"),
          size,
          asked.text("context") ?? "",
          call,
        );
      }),
  }),
);

async function told(era: ProviderCall["era"], work: () => Promise<void>): Promise<Uint8Array> {
  try {
    await work();
  } catch (error) {
    if (era !== "E3") throw error;
    return outcomeReply(era, describe(error));
  }
  return outcomeReply(era);
}

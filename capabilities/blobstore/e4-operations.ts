import { type Form, chunkForm, containerForm, itemResultsForm, listOf, objectForm, structOf } from "./e4-codec.ts";
import { checkedName, checkedNames, Taken } from "./fields.ts";
import type { Downloads } from "./downloads.ts";
import type { BlobStore, ContainerInfo, ObjectInfo } from "./store.ts";
import type { Uploads } from "./uploads.ts";
import type { ProviderCall } from "../provider.ts";
import { describe, fail } from "../../lattice/index.ts";

export interface Desk {
  readonly store: BlobStore;
  readonly uploads: Uploads;
  readonly downloads: Downloads;
}

interface Operation {
  readonly takes: Form;
  readonly gives: Form;
  run(desk: Desk, request: unknown, call: ProviderCall): Promise<unknown>;
}

const containerObject = structOf("containerId", "objectId");
const mostListed = 1_000;

/** The operations of `Blobstore` in E4. Source: waPC and actors reference, section 11.7. */
export const e4Operations: ReadonlyMap<string, Operation> = new Map(
  Object.entries<Operation>({
    ContainerExists: {
      takes: "plain",
      gives: "plain",
      run: async ({ store }, id) => (await store.container(checkedName(id, "containerId"))) !== undefined,
    },
    CreateContainer: {
      takes: "plain",
      gives: "plain",
      run: async ({ store }, id) => {
        await store.createContainer(checkedName(id, "containerId"));
      },
    },
    GetContainerInfo: {
      takes: "plain",
      gives: containerForm,
      run: async ({ store }, id) => {
        const name = checkedName(id, "containerId");
        const info = await store.container(name);
        if (!info) throw fail("CONTAINER_ABSENT", name);
        return containerValue(info);
      },
    },
    ListContainers: {
      takes: "plain",
      gives: listOf(containerForm),
      run: async ({ store }) => (await store.containers()).map(containerValue),
    },
    RemoveContainers: {
      takes: "plain",
      gives: itemResultsForm,
      run: ({ store }, ids) =>
        failuresOf(checkedNames(ids, "containers"), async (id) => {
          if (!(await store.removeContainer(id))) throw fail("CONTAINER_ABSENT", id);
        }),
    },
    ObjectExists: {
      takes: containerObject,
      gives: "plain",
      run: async ({ store }, request) => (await store.object(...objectOf(request))) !== undefined,
    },
    GetObjectInfo: {
      takes: containerObject,
      gives: objectForm,
      run: async ({ store }, request) => {
        const [container, id] = objectOf(request);
        const info = await store.object(container, id);
        if (!info) throw fail("OBJECT_ABSENT", container, id);
        return objectValue(info);
      },
    },
    ListObjects: {
      takes: structOf("containerId", "startWith", "continuation", "endWith", "endBefore", "maxItems"),
      gives: structOf({ name: "objects", of: listOf(objectForm) }, "isLast", "continuation"),
      run: ({ store }, request) => listObjects(store, new Taken(request)),
    },
    RemoveObjects: {
      takes: structOf("containerId", "objects"),
      gives: itemResultsForm,
      run: ({ store }, request) => {
        const taken = new Taken(request);
        const container = taken.name("containerId");
        return failuresOf(taken.names("objects"), async (id) => {
          if (!(await store.removeObject(container, id))) throw fail("OBJECT_ABSENT", container, id);
        });
      },
    },
    PutObject: {
      takes: structOf({ name: "chunk", of: chunkForm }, "contentType", "contentEncoding"),
      gives: structOf("streamId"),
      run: async ({ uploads }, request, { link }) => {
        const chunk = new Taken(request).inner("chunk");
        const stream = await uploads.begin(link.id, chunk.name("containerId"), chunk.name("objectId"));
        const whole = chunk.flag("isLast");
        await uploads.append(link.id, stream, chunk.bytes("bytes"), chunk.count("offset") ?? 0, whole);
        return whole ? {} : { streamId: stream };
      },
    },
    PutChunk: {
      takes: structOf({ name: "chunk", of: chunkForm }, "streamId", "cancelAndRemove"),
      gives: "plain",
      run: async ({ uploads }, request, { link }) => {
        const taken = new Taken(request);
        const chunk = taken.inner("chunk");
        const stream =
          taken.text("streamId") ?? uploads.find(link.id, chunk.name("containerId"), chunk.name("objectId"));
        if (taken.flag("cancelAndRemove")) return uploads.cancel(link.id, stream);
        await uploads.append(link.id, stream, chunk.bytes("bytes"), chunk.count("offset"), chunk.flag("isLast"));
        return undefined;
      },
    },
    GetObject: {
      takes: structOf("objectId", "containerId", "rangeStart", "rangeEnd"),
      gives: structOf(
        "success",
        "error",
        { name: "initialChunk", of: chunkForm },
        "contentLength",
        "contentType",
        "contentEncoding",
      ),
      run: ({ downloads }, request, call) => downloads.e4(new Taken(request), call),
    },
  }).map(([name, operation]) => [`Blobstore.${name}`, operation]),
);

function objectOf(request: unknown): [container: string, id: string] {
  const taken = new Taken(request);
  return [taken.name("containerId"), taken.name("objectId")];
}

/** Names in the order of their bytes; `maxItems` at most, the rest with the continuation. */
async function listObjects(store: BlobStore, asked: Taken): Promise<unknown> {
  const container = asked.name("containerId");
  const all = await store.objects(container);
  if (!all) throw fail("CONTAINER_ABSENT", container);
  const continuation = asked.text("continuation");
  const [startWith, endWith, endBefore] = [asked.text("startWith"), asked.text("endWith"), asked.text("endBefore")];
  const most = Math.min(asked.count("maxItems") || mostListed, mostListed);
  const fitting = all.filter(
    ({ id }) =>
      (continuation !== undefined ? id > continuation : startWith === undefined || id >= startWith) &&
      (endWith === undefined || id <= endWith) &&
      (endBefore === undefined || id < endBefore),
  );
  const listed = fitting.slice(0, most);
  const isLast = listed.length === fitting.length;
  return { objects: listed.map(objectValue), isLast, ...(isLast ? {} : { continuation: listed.at(-1)!.id }) };
}

/** One row for each that failed; none is all well. */
async function failuresOf(names: readonly string[], work: (name: string) => Promise<void>): Promise<unknown[]> {
  const results = [];
  for (const key of names) {
    try {
      await work(key);
    } catch (error) {
      results.push({ key, success: false, error: describe(error) });
    }
  }
  return results;
}

function containerValue({ container, createdAt }: ContainerInfo): object {
  return { containerId: container, ...(createdAt === undefined ? {} : { createdAt: timestamp(createdAt) }) };
}

function objectValue({ container, id, bytes, modifiedAt }: ObjectInfo): object {
  return { objectId: id, containerId: container, contentLength: bytes, lastModified: timestamp(modifiedAt) };
}

function timestamp(ms: number): { sec: number; nsec: number } {
  const sec = Math.floor(ms / 1_000);
  return { sec, nsec: Math.floor((ms - sec * 1_000) * 1e6) };
}

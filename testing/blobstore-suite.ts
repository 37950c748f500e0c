import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import type { Link, Provider } from "../capabilities/index.ts";
import { type Era, isLatticeError, type MsgpackValue, pack, unpack } from "../lattice/index.ts";
import { fakeCall, fakeContext, fakeLink } from "./fakes.ts";
import type { ServerUnderTest, SuiteOptions } from "./server.ts";
import { until } from "./until.ts";

/** What an actor that is linked to a blob store can do, and what it got. */
interface Client {
  readonly provider: Provider;
  readonly link: Link;
  readonly chunks: Record<string, unknown>[];
  readonly ask: (operation: string, value?: MsgpackValue) => Promise<unknown>;
  readonly server: ServerUnderTest | undefined;
}

/** For what a server that comes back takes, on a machine that is busy. */
const patientMs = 20_000;

/** A provider with an empty store, the values that its links need, and the end of what stands behind it. */
export interface BlobstoreUnderTest {
  readonly provider: Provider;
  readonly values?: Record<string, string>;
  readonly close?: () => Promise<void> | void;
  /** The server behind it, where there is one. */
  readonly server?: ServerUnderTest;
}

/** What every provider of `wasmcloud:blobstore` must do. Run it for each implementation. */
export function blobstoreSuite(
  name: string,
  open: () => BlobstoreUnderTest | Promise<BlobstoreUnderTest>,
  { skip = false }: SuiteOptions = {},
): void {
  const behaviour = (title: string, era: Era, body: (client: Client) => Promise<void>): void => {
    void test(title, async () => {
      const { provider, values = {}, close, server } = await open();
      const chunks: Client["chunks"] = [];
      await provider.start?.(
        fakeContext((_link, _operation, payload) => {
          chunks.push(unpack(new Uint8Array(payload), "chunk") as Record<string, unknown>);
          return pack({ cancelDownload: false });
        }),
      );
      const link = fakeLink(values, { era, contractId: "wasmcloud:blobstore" });
      await provider.putLink!(link);
      const ask = async (operation: string, value?: MsgpackValue) => {
        const payload = value === undefined ? new Uint8Array(0) : pack(value);
        const reply = await provider.handle(fakeCall(era, operation, payload, { link }));
        return reply.length === 0 ? undefined : unpack(reply, operation);
      };
      try {
        await body({ provider, link, chunks, ask, server });
      } finally {
        await provider.stop?.();
        await close?.();
      }
    });
  };

  const object = { containerId: "box", objectId: "a" };
  const chunk = (bytes: Uint8Array, offset = 0, isLast = true) => ({ ...object, bytes, offset, isLast });

  void describe(`${name} as a blob store`, { skip }, () => {
    behaviour("containers are made once, listed, described and removed with what they hold", "E4", async ({ ask }) => {
      assert.equal(await ask("Blobstore.ContainerExists", "box"), false);
      await ask("Blobstore.CreateContainer", "box");
      await ask("Blobstore.CreateContainer", "box");
      await ask("Blobstore.CreateContainer", "../out/..");
      assert.equal(await ask("Blobstore.ContainerExists", "box"), true);
      const listed = (await ask("Blobstore.ListContainers")) as { containerId: string }[];
      assert.deepEqual(
        listed.map(({ containerId }) => containerId),
        ["../out/..", "box"],
      );
      assert.equal(((await ask("Blobstore.GetContainerInfo", "box")) as { containerId: string }).containerId, "box");
      await ask("Blobstore.PutObject", { chunk: chunk(Buffer.from("x")) });
      const failures = await ask("Blobstore.RemoveContainers", ["box", "none"]);
      assert.deepEqual(failures, [{ key: "none", success: false, error: "there is no container none" }]);
      assert.equal(await ask("Blobstore.ObjectExists", object), false);
      await assert.rejects(ask("Blobstore.GetContainerInfo", "box"), { code: "CONTAINER_ABSENT" });
    });

    behaviour("an object is written whole, replaced whole, read in ranges and removed", "E4", async ({ ask }) => {
      await ask("Blobstore.CreateContainer", "box");
      const content = randomBytes(1_000);
      assert.deepEqual(await ask("Blobstore.PutObject", { chunk: chunk(randomBytes(5_000)) }), {});
      await ask("Blobstore.PutObject", { chunk: chunk(content) });
      const { contentLength, lastModified } = (await ask("Blobstore.GetObjectInfo", object)) as {
        contentLength: number;
        lastModified: { sec: number };
      };
      assert.equal(contentLength, 1_000);
      assert.ok(lastModified.sec > 1_700_000_000);
      const get = async (range: Record<string, number>) => {
        const got = (await ask("Blobstore.GetObject", { ...object, ...range })) as {
          success: boolean;
          contentLength: number;
          initialChunk: { bytes: Uint8Array; offset: number; isLast: boolean };
        };
        assert.equal(got.success, true);
        assert.equal(got.initialChunk.isLast, true);
        return [got.contentLength, got.initialChunk.offset, Buffer.from(got.initialChunk.bytes).toString("hex")];
      };
      assert.deepEqual(await get({}), [1_000, 0, content.toString("hex")]);
      assert.deepEqual(await get({ rangeStart: 10, rangeEnd: 19 }), [10, 10, content.toString("hex", 10, 20)]);
      assert.deepEqual(await get({ rangeStart: 990 }), [10, 990, content.toString("hex", 990)]);
      assert.deepEqual(await get({ rangeStart: 5_000, rangeEnd: 6_000 }), [0, 1_000, ""]);
      assert.deepEqual(await ask("Blobstore.RemoveObjects", { containerId: "box", objects: ["a", "b"] }), [
        { key: "b", success: false, error: "there is no object box/b" },
      ]);
      const gone = (await ask("Blobstore.GetObject", object)) as { success: boolean; error: string };
      assert.deepEqual([gone.success, gone.error], [false, "there is no object box/a"]);
    });

    behaviour("an object that comes in pieces is seen when it is whole", "E4", async ({ ask }) => {
      await ask("Blobstore.CreateContainer", "box");
      const pieces = [randomBytes(300_000), randomBytes(300_000), randomBytes(7)];
      const { streamId } = (await ask("Blobstore.PutObject", { chunk: chunk(pieces[0]!, 0, false) })) as {
        streamId: string;
      };
      const go = (bytes: Uint8Array, offset: number, isLast: boolean, more: object = { streamId }) =>
        ask("Blobstore.PutChunk", { chunk: chunk(bytes, offset, isLast), cancelAndRemove: false, ...more });
      await go(pieces[1]!, 300_000, false, {});
      assert.equal(await ask("Blobstore.ObjectExists", object), false);
      await go(pieces[2]!, 600_000, true);
      const info = (await ask("Blobstore.GetObjectInfo", object)) as { contentLength: number };
      assert.equal(info.contentLength, 600_007);
      await assert.rejects(go(pieces[2]!, 600_007, true), { code: "UPLOAD_ABSENT" });
    });

    behaviour("an upload with a gap, or one that is taken back, leaves what was there", "E4", async ({ ask }) => {
      await ask("Blobstore.CreateContainer", "box");
      await ask("Blobstore.PutObject", { chunk: chunk(Buffer.from("before")) });
      const begin = async () =>
        ((await ask("Blobstore.PutObject", { chunk: chunk(Buffer.from("new"), 0, false) })) as { streamId: string })
          .streamId;
      const piece = chunk(Buffer.from("x"), 7, true);
      await assert.rejects(
        ask("Blobstore.PutChunk", { chunk: piece, streamId: await begin(), cancelAndRemove: false }),
        { code: "UPLOAD_GAP" },
      );
      await ask("Blobstore.PutChunk", { chunk: piece, streamId: await begin(), cancelAndRemove: true });
      const { initialChunk } = (await ask("Blobstore.GetObject", object)) as { initialChunk: { bytes: Uint8Array } };
      assert.equal(Buffer.from(initialChunk.bytes).toString(), "before");
    });

    behaviour("a large object comes in chunks, the first in the answer", "E4", async ({ ask, chunks }) => {
      await ask("Blobstore.CreateContainer", "box");
      const content = randomBytes(1_000_000);
      await ask("Blobstore.PutObject", { chunk: chunk(content) });
      const { initialChunk, contentLength } = (await ask("Blobstore.GetObject", object)) as {
        initialChunk: Record<string, unknown>;
        contentLength: number;
      };
      await until(() => chunks.at(-1)?.["isLast"] === true);
      const all = [initialChunk, ...chunks];
      assert.equal(contentLength, 1_000_000);
      assert.ok(Buffer.concat(all.map((each) => each["bytes"] as Uint8Array)).equals(content));
      assert.deepEqual(
        all.map((each) => each["offset"]),
        [0, 262_144, 524_288, 786_432],
      );
    });

    behaviour("names may be any text, and lists go on where they ended", "E4", async ({ ask }) => {
      await ask("Blobstore.CreateContainer", "box");
      const names = ["%", "..", "../x", "/a", "a b", "a/b", "é", "名"].toSorted();
      for (const objectId of names)
        await ask("Blobstore.PutObject", { chunk: { ...chunk(Buffer.from(objectId)), objectId } });
      const listed: string[] = [];
      let continuation: string | undefined;
      do {
        const page = (await ask("Blobstore.ListObjects", {
          containerId: "box",
          maxItems: 3,
          ...(continuation === undefined ? {} : { continuation }),
        })) as { objects: { objectId: string }[]; isLast: boolean; continuation?: string };
        assert.equal(page.isLast, page.continuation === undefined);
        listed.push(...page.objects.map(({ objectId }) => objectId));
        ({ continuation } = page);
      } while (continuation !== undefined);
      assert.deepEqual(listed, names);
      for (const objectId of names) {
        const { initialChunk } = (await ask("Blobstore.GetObject", { ...object, objectId })) as {
          initialChunk: { bytes: Uint8Array };
        };
        assert.equal(Buffer.from(initialChunk.bytes).toString(), objectId);
      }
      const range = (await ask("Blobstore.ListObjects", { containerId: "box", startWith: "a", endBefore: "a/b" })) as {
        objects: { objectId: string }[];
      };
      assert.deepEqual(
        range.objects.map(({ objectId }) => objectId),
        ["a b"],
      );
      for (const bad of ["", "a\0b", "x".repeat(2_000)])
        await assert.rejects(ask("Blobstore.CreateContainer", bad), { code: "PAYLOAD_MALFORMED" });
    });

    const read = async (ask: Client["ask"], objectId: string): Promise<string> => {
      const { initialChunk } = (await ask("Blobstore.GetObject", { ...object, objectId })) as {
        initialChunk: { bytes: Uint8Array };
      };
      return Buffer.from(initialChunk.bytes).toString();
    };

    /** A server may greet before its store is open. */
    const serves = async (ask: Client["ask"]): Promise<boolean> =>
      ask("Blobstore.ContainerExists", "box").then(
        () => true,
        () => false,
      );

    behaviour("sixty-four callers at once write and read whole objects, one object too", "E4", async ({ ask }) => {
      await ask("Blobstore.CreateContainer", "box");
      const write = async (objectId: string, text: string) =>
        ask("Blobstore.PutObject", { chunk: { ...chunk(Buffer.from(text)), objectId } });
      const callers = Array.from({ length: 64 }, (_, caller) => caller);
      await Promise.all(
        callers.map(async (caller) => {
          const text = `of ${caller} `.repeat(100);
          await write(`own ${caller}`, text);
          await write("shared", text);
          assert.equal(await read(ask, `own ${caller}`), text);
          assert.match(await read(ask, "shared"), /^(of \d+ )\1{99}$/);
        }),
      );
      const { objects } = (await ask("Blobstore.ListObjects", { containerId: "box", maxItems: 100 })) as {
        objects: unknown[];
      };
      assert.equal(objects.length, 65);
    });

    behaviour(
      "while its server is away calls fail at once, and what was written is there when it is back",
      "E4",
      async ({ ask, provider, server }) => {
        if (!server) return;
        await ask("Blobstore.CreateContainer", "box");
        await ask("Blobstore.PutObject", { chunk: chunk(Buffer.from("before")) });
        const isWell = async () => (await provider.health?.())?.healthy === true;
        await until(isWell, patientMs);
        await server.kill();
        await until(async () => !(await isWell()), patientMs);
        await assert.rejects(ask("Blobstore.ContainerExists", "box"), { code: "SERVER_UNAVAILABLE" });
        await assert.rejects(ask("Blobstore.PutObject", { chunk: chunk(Buffer.from("lost")) }), {
          code: "SERVER_UNAVAILABLE",
        });
        await server.start();
        await until(isWell, patientMs);
        await until(async () => serves(ask), patientMs);
        assert.equal(await read(ask, "a"), "before");
        await ask("Blobstore.PutObject", { chunk: chunk(Buffer.from("after")) });
        assert.equal(await read(ask, "a"), "after");
      },
    );

    behaviour(
      "every upload under way ends when the server goes, and leaves an object that is whole",
      "E4",
      async ({ ask, provider, server }) => {
        if (!server) return;
        await ask("Blobstore.CreateContainer", "box");
        const texts = Array.from({ length: 32 }, (_, i) => `${i} `.repeat(50_000));
        const settled = Promise.allSettled(
          texts.map(async (text) => ask("Blobstore.PutObject", { chunk: chunk(Buffer.from(text)) })),
        );
        await server.kill();
        for (const outcome of await settled)
          if (outcome.status === "rejected") assert.ok(isLatticeError(outcome.reason), String(outcome.reason));
        await server.start();
        await until(async () => (await provider.health?.())?.healthy === true, patientMs);
        await until(async () => serves(ask), patientMs);
        const exists = await ask("Blobstore.ObjectExists", object);
        if (exists === true) {
          const whole = (await ask("Blobstore.GetObjectInfo", object)) as { contentLength: number };
          assert.ok(texts.some(({ length }) => length === whole.contentLength));
        }
        await ask("Blobstore.PutObject", { chunk: chunk(Buffer.from("after")) });
        assert.equal(await read(ask, "a"), "after");
      },
    );

    behaviour(
      "bytes that make no sense, and operations of other contracts, are refused by name",
      "E4",
      async ({ provider, link, ask }) => {
        const send = async (operation: string, payload: string) =>
          provider.handle(fakeCall("E4", operation, Buffer.from(payload, "hex"), { link }));
        for (const operation of [
          "CreateContainer",
          "PutObject",
          "PutChunk",
          "GetObject",
          "ListObjects",
          "RemoveObjects",
        ])
          for (const payload of ["81a5", "05", "7f85622f", "ffffff"])
            await assert.rejects(
              send(`Blobstore.${operation}`, payload),
              { code: "PAYLOAD_MALFORMED" },
              operation + payload,
            );
        await assert.rejects(send("Blobstore.Fly", "80"), { code: "OPERATION_UNKNOWN" });
        assert.deepEqual(await ask("Blobstore.ListContainers"), []);
      },
    );

    behaviour("a request in CBOR is answered in CBOR", "E4", async ({ provider, link }) => {
      const send = async (operation: string, payload: string) => {
        const call = fakeCall("E4", operation, Buffer.from(payload, "hex"), { link });
        return Buffer.from(await provider.handle(call)).toString("hex");
      };
      await send("Blobstore.CreateContainer", "7f63626f78");
      // Source: waPC and actors reference, section 11.7; the request of a real guest.
      assert.equal(await send("Blobstore.PutObject", "7f8385622f6163626f7842686900f5f6f6"), "7f81f6");
      assert.equal(await send("Blobstore.ObjectExists", "7f8263626f78622f61"), "7ff5");
      const got = await send("Blobstore.GetObject", "7f84622f6163626f78f6f6");
      assert.equal(got, "7f86f5f685622f6163626f7842686900f502f6f6");
    });

    for (const era of ["E2", "E3"] as const) {
      behaviour(`actors of ${era} upload, list, download and remove`, era, async ({ ask, chunks }) => {
        const container = (id: string) => (era === "E3" ? { id } : id);
        const done = era === "E3" ? { success: true, error: null } : undefined;
        const wrap = (value: MsgpackValue) => (era === "E3" ? { chunk: value } : value);
        const blob = era === "E3" ? { blob_id: "a", container_id: "box" } : { id: "a", container: "box", byteSize: 0 };
        assert.deepEqual(await ask("CreateContainer", { id: "box" }), { id: "box" });
        const content = randomBytes(2_500);
        const file = { container: container("box"), id: "a", totalBytes: 2_500, chunkSize: 1_000 };
        const none = new Uint8Array(0);
        assert.deepEqual(await ask("StartUpload", wrap({ ...file, sequenceNo: 0, chunkBytes: none })), done);
        for (const sequenceNo of [0, 1, 2]) {
          const chunkBytes = content.subarray(sequenceNo * 1_000, (sequenceNo + 1) * 1_000);
          assert.deepEqual(await ask("UploadChunk", wrap({ ...file, sequenceNo, chunkBytes })), done);
        }
        const info = { id: "a", container: container("box"), byteSize: 2_500 };
        const list = era === "E3" ? { container_id: "box" } : { id: "box" };
        assert.deepEqual(await ask("ListObjects", list), { blobs: [info] });
        assert.deepEqual(await ask("GetObjectInfo", blob), info);
        await ask(
          "StartDownload",
          era === "E3" ? { ...blob, chunk_size: 1_000, context: "c" } : { ...blob, chunkSize: 1_000 },
        );
        await until(() => chunks.length === 3);
        assert.ok(Buffer.concat(chunks.map((each) => each["chunkBytes"] as Uint8Array)).equals(content));
        assert.deepEqual(chunks[2], {
          ...file,
          sequenceNo: 2,
          chunkBytes: chunks[2]!["chunkBytes"],
          ...(era === "E3" ? { context: "c" } : {}),
        });
        assert.deepEqual(await ask("RemoveObject", era === "E3" ? { id: "a", container_id: "box" } : info), done);
        const { id } = (await ask("GetObjectInfo", blob)) as { id: string };
        assert.equal(id, "none");
      });
    }
  });
}

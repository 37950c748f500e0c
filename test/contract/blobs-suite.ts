import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Blobs } from "../../lattice/index.ts";
import { isLatticeError } from "../../lattice/index.ts";

/** One object store, empty when given; each `open` is a host of its own. */
export interface SharedStore {
  open(): Promise<Blobs> | Blobs;
  close(): Promise<void> | void;
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => isLatticeError(error) && error.code === code;
}

/** What every Blobs must do. Run it for each implementation. */
export function blobsSuite(
  name: string,
  open: () => Promise<SharedStore> | SharedStore,
  { skip = false }: { readonly skip?: string | false } = {},
): void {
  const behaviour = (title: string, body: (a: Blobs, b: Blobs) => Promise<void>): void => {
    void test(title, async () => {
      const store = await open();
      const a = await store.open();
      const b = await store.open();
      try {
        await body(a, b);
      } finally {
        await a.close();
        await b.close();
        await store.close();
      }
    });
  };

  void describe(`${name} as an object store`, { skip }, () => {
    behaviour("what one puts the other gets, whole", async (a, b) => {
      assert.equal(await b.get("none", 1_000), undefined);
      for (const size of [0, 1, 131_072, 131_073, 3_000_000]) {
        const content = Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
        await a.put(`of ${size}`, content);
        const got = await b.get(`of ${size}`, size);
        assert.ok(got !== undefined && Buffer.compare(got, content) === 0, `${size} bytes`);
      }
    });

    behaviour("a second put replaces the first", async (a, b) => {
      await a.put("x", Buffer.from("first, and longer"));
      await b.put("x", Buffer.from("second"));
      assert.equal(Buffer.from((await a.get("x", 100))!).toString(), "second");
      assert.equal((await a.list()).length, 1);
    });

    behaviour("content is what it was when it was put", async (a, b) => {
      const content = Buffer.from("before");
      const putting = a.put("x", content);
      content.fill(0x78);
      await putting;
      assert.equal(Buffer.from((await b.get("x", 100))!).toString(), "before");
    });

    behaviour("an object over the cap is refused, and stays", async (a, b) => {
      await a.put("x", new Uint8Array(1_001));
      await assert.rejects(b.get("x", 1_000), hasCode("PAYLOAD_TOO_LARGE"));
      assert.equal((await b.get("x", 1_001))?.length, 1_001);
    });

    behaviour("a deleted object is absent; deleting an absent one is no error", async (a, b) => {
      await a.delete("never");
      await a.put("x", new Uint8Array(10));
      await b.delete("x");
      assert.equal(await a.get("x", 100), undefined);
      assert.deepEqual(await a.list(), []);
      await a.delete("x");
      await a.put("x", new Uint8Array(20));
      assert.equal((await b.get("x", 100))?.length, 20);
    });

    behaviour("the list names every object, its size and when it was written", async (a, b) => {
      const before = Date.now() - 2_000;
      await a.put("one.two/three four", new Uint8Array(3));
      await b.put("x", new Uint8Array(200_000));
      const listed = (await a.list()).toSorted((left, right) => left.bytes - right.bytes);
      assert.deepEqual(
        listed.map(({ name, bytes }) => [name, bytes]),
        [
          ["one.two/three four", 3],
          ["x", 200_000],
        ],
      );
      assert.ok(listed.every(({ at }) => at >= before && at <= Date.now() + 2_000));
    });

    behaviour("an object is described without being fetched, each put as another version", async (a, b) => {
      assert.equal(await a.info("x"), undefined);
      await a.put("x", new Uint8Array(10));
      const first = await b.info("x");
      assert.deepEqual(first, (await a.list())[0]);
      assert.equal(first?.bytes, 10);
      await b.put("x", new Uint8Array(10));
      const second = await a.info("x");
      assert.equal(second?.bytes, 10);
      assert.notEqual(second?.version, first?.version);
      await a.delete("x");
      assert.equal(await b.info("x"), undefined);
    });

    behaviour("a closed store refuses everything; objects stay for the others", async (a, b) => {
      await a.put("x", new Uint8Array(1));
      await a.close();
      await a.close();
      await assert.rejects(a.get("x", 10), hasCode("STOPPED"));
      await assert.rejects(a.put("x", new Uint8Array()), hasCode("STOPPED"));
      await assert.rejects(a.delete("x"), hasCode("STOPPED"));
      await assert.rejects(a.list(), hasCode("STOPPED"));
      assert.equal((await b.get("x", 10))?.length, 1);
    });

    behaviour("a store that is taken away is empty, and made anew by the next put", async (a, b) => {
      await a.destroy();
      await a.put("x", new Uint8Array(10));
      await b.put("y", new Uint8Array(300_000));
      await b.destroy();
      assert.equal(await a.get("x", 10), undefined);
      assert.deepEqual(await b.list(), []);
      await a.put("z", new Uint8Array(20));
      assert.deepEqual(
        (await b.list()).map(({ name }) => name),
        ["z"],
      );
    });

    behaviour("wrong names are refused", async (a) => {
      for (const name of ["", "a\nb", "x".repeat(600)]) {
        await assert.rejects(a.put(name, new Uint8Array()), hasCode("STATE_KEY_INVALID"));
        await assert.rejects(a.get(name, 10), hasCode("STATE_KEY_INVALID"));
        await assert.rejects(a.delete(name), hasCode("STATE_KEY_INVALID"));
      }
    });
  });
}

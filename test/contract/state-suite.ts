import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { State, StateChange } from "../../lattice/index.ts";
import { isLatticeError } from "../../lattice/index.ts";
import { until } from "../support/until.ts";

/** One bucket, empty when given; each `open` is a host of its own. */
export interface SharedBucket {
  open(): Promise<State> | State;
  close(): Promise<void> | void;
}

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => isLatticeError(error) && error.code === code;
}

/** A change as one line. */
function told(change: StateChange): string {
  return change.kind === "put" ? `${change.key}=${Buffer.from(change.value).toString()}` : `${change.key} deleted`;
}

/** What every State must do. Run it for each implementation. */
export function stateSuite(
  name: string,
  open: () => Promise<SharedBucket> | SharedBucket,
  { skip = false }: { readonly skip?: string | false } = {},
): void {
  const behaviour = (title: string, body: (a: State, b: State) => Promise<void>): void => {
    void test(title, async () => {
      const bucket = await open();
      const a = await bucket.open();
      const b = await bucket.open();
      try {
        await body(a, b);
      } finally {
        await a.close();
        await b.close();
        await bucket.close();
      }
    });
  };

  void describe(`${name} as shared state`, { skip }, () => {
    behaviour("what one puts the other gets, with its revision", async (a, b) => {
      assert.equal(await b.get("k"), undefined);
      const value = Uint8Array.from({ length: 256 }, (_, index) => index);
      const revision = await a.put("k", value);
      const entry = await b.get("k");
      assert.equal(entry?.key, "k");
      assert.equal(entry.revision, revision);
      assert.deepEqual(Uint8Array.from(entry.value), value);
      await a.put("empty", new Uint8Array());
      assert.equal((await b.get("empty"))?.value.length, 0);
    });

    behaviour("revisions grow over all keys", async (a, b) => {
      const first = await a.put("one", bytes("1"));
      const second = await b.put("two", bytes("2"));
      const third = await a.put("one", bytes("3"));
      assert.ok(first >= 1 && second > first && third > second);
    });

    behaviour("a value is what it was when it was put", async (a) => {
      const value = bytes("before");
      await a.put("k", value);
      value.fill(0x78);
      assert.equal(Buffer.from((await a.get("k"))!.value).toString(), "before");
    });

    behaviour("a put at a revision holds only there; of two that meet, one wins", async (a, b) => {
      const revision = await a.put("k", bytes("1"), { revision: 0 });
      await assert.rejects(b.put("k", bytes("2"), { revision: 0 }), hasCode("REVISION_CONFLICT"));
      await assert.rejects(b.put("k", bytes("2"), { revision: revision + 1 }), hasCode("REVISION_CONFLICT"));
      const both = await Promise.allSettled([
        a.put("k", bytes("a"), { revision }),
        b.put("k", bytes("b"), { revision }),
      ]);
      assert.deepEqual(both.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
      const winner = both[0].status === "fulfilled" ? "a" : "b";
      assert.equal(Buffer.from((await a.get("k"))!.value).toString(), winner);
    });

    behaviour("a deleted key is absent and may be made anew", async (a, b) => {
      await a.delete("never");
      const revision = await a.put("k", bytes("1"));
      await assert.rejects(b.delete("k", { revision: revision + 1 }), hasCode("REVISION_CONFLICT"));
      await b.delete("k", { revision });
      assert.equal(await a.get("k"), undefined);
      assert.deepEqual(await a.list(), []);
      const again = await a.put("k", bytes("2"), { revision: 0 });
      assert.ok(again > revision);
    });

    behaviour("a list is sorted by key and keeps to its pattern", async (a, b) => {
      for (const key of ["b.2", "a", "b.1", "b.1.x", "c/d-e_f=g"]) await a.put(key, bytes(key));
      const keys = async (pattern?: string): Promise<string[]> => (await b.list(pattern)).map(({ key }) => key);
      assert.deepEqual(await keys(), ["a", "b.1", "b.1.x", "b.2", "c/d-e_f=g"]);
      assert.deepEqual(await keys("b.*"), ["b.1", "b.2"]);
      assert.deepEqual(await keys("b.>"), ["b.1", "b.1.x", "b.2"]);
      assert.deepEqual(await keys("b.1"), ["b.1"]);
      assert.deepEqual(await keys("z.*"), []);
    });

    behaviour("a watch tells what stands before it resolves, then each change in order", async (a, b) => {
      await a.put("w.1", bytes("old"));
      await a.put("w.2", bytes("gone"));
      await a.put("other", bytes("x"));
      await a.delete("w.2");
      const heard: string[] = [];
      await b.watch("w.>", (change) => heard.push(told(change)));
      assert.deepEqual(heard, ["w.1=old"]);
      for (let index = 0; index < 50; index++) await a.put("w.1", bytes(String(index)));
      await a.put("other", bytes("y"));
      await a.delete("w.1");
      await b.put("w.3", bytes("own"));
      await until(() => heard.includes("w.3=own"));
      // A remote store may leave out some between, never the last.
      const numbers = heard.slice(1, -2).map((line) => Number(line.slice("w.1=".length)));
      assert.deepEqual(
        numbers,
        [...new Set(numbers)].toSorted((x, y) => x - y),
      );
      assert.deepEqual([heard[0], ...heard.slice(-2)], ["w.1=old", "w.1 deleted", "w.3=own"]);
    });

    behaviour("no change falls between the entries a watch tells and the changes after", async (a, b) => {
      const revisions = new Map<string, number>();
      const putting = (async () => {
        for (let index = 0; index < 200; index++) await a.put(`k.${index % 20}`, bytes(String(index)));
      })();
      await b.watch(">", (change) => revisions.set(change.key, change.revision));
      await putting;
      const last = await a.list();
      await until(() => last.every(({ key, revision }) => revisions.get(key) === revision));
      assert.equal(revisions.size, 20);
    });

    behaviour("revisions of a watch are those of the entries, and grow", async (a, b) => {
      const revisions: number[] = [];
      await b.watch(">", (change) => revisions.push(change.revision));
      const put = await a.put("k", bytes("1"));
      await a.delete("k");
      const again = await a.put("k", bytes("2"));
      await until(() => revisions.length === 3);
      assert.equal(revisions[0], put);
      assert.ok(revisions[1]! > put && revisions[1]! < again);
      assert.equal(revisions[2], again);
    });

    behaviour("no handler runs inside the put that it hears of", async (a) => {
      let inside = false;
      const { promise: seen, resolve } = Promise.withResolvers<boolean>();
      await a.watch(">", () => resolve(inside));
      inside = true;
      const putting = a.put("k", bytes("1"));
      inside = false;
      await putting;
      assert.equal(await seen, false);
    });

    behaviour("a stopped watch tells nothing more, and stops twice", async (a, b) => {
      const heard: string[] = [];
      const stopped = await b.watch(">", (change) => heard.push(`stopped ${told(change)}`));
      await b.watch(">", (change) => heard.push(told(change)));
      const putting = a.put("k", bytes("1"));
      stopped.stop();
      stopped.stop();
      await putting;
      await until(() => heard.length > 0);
      assert.deepEqual(heard, ["k=1"]);
    });

    behaviour("a closed state refuses everything; its values stay for the others", async (a, b) => {
      const heard: string[] = [];
      await a.watch(">", (change) => heard.push(told(change)));
      await a.put("k", bytes("1"));
      await until(() => heard.length === 1);
      await a.close();
      await a.close();
      await b.put("k", bytes("2"));
      await assert.rejects(a.get("k"), hasCode("STOPPED"));
      await assert.rejects(a.put("k", bytes("3")), hasCode("STOPPED"));
      await assert.rejects(a.delete("k"), hasCode("STOPPED"));
      await assert.rejects(a.list(), hasCode("STOPPED"));
      await assert.rejects(
        a.watch(">", () => {}),
        hasCode("STOPPED"),
      );
      assert.equal(Buffer.from((await b.get("k"))!.value).toString(), "2");
      assert.deepEqual(heard, ["k=1"]);
    });

    behaviour("wrong keys, patterns and sizes are refused by name", async (a) => {
      for (const key of ["", ".", "a.", ".a", "a..b", "a b", "a*", "a.*", ">", "é", "x".repeat(2_000)]) {
        await assert.rejects(a.get(key), hasCode("STATE_KEY_INVALID"));
        await assert.rejects(a.put(key, bytes("")), hasCode("STATE_KEY_INVALID"));
        await assert.rejects(a.delete(key), hasCode("STATE_KEY_INVALID"));
      }
      for (const pattern of ["", "a..b", "a.>.b", "a b"]) {
        await assert.rejects(a.list(pattern), hasCode("STATE_KEY_INVALID"));
        await assert.rejects(
          a.watch(pattern, () => {}),
          hasCode("STATE_KEY_INVALID"),
        );
      }
      await assert.rejects(a.put("k", new Uint8Array(a.maxValueBytes + 1)), hasCode("PAYLOAD_TOO_LARGE"));
      await a.put("k", new Uint8Array(1_000));
    });
  });
}

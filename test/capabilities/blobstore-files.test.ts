import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileBlobstore } from "../../capabilities/index.ts";
import { fakeCall, fakeContext, fakeLink } from "../support/capabilities.ts";
import { pack, unpack } from "../../lattice/index.ts";
import { blobstoreSuite } from "../../testing/index.ts";

function folder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "blobs-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

blobstoreSuite("a folder", () => {
  const { path, remove } = folder();
  return Promise.resolve({ provider: fileBlobstore({ root: path }), close: () => Promise.resolve(remove()) });
});

test("links of the file system lead nowhere", async () => {
  const { path, remove } = folder();
  const outside = folder();
  writeFileSync(join(outside.path, "secret"), "4711");
  mkdirSync(join(path, "box"));
  symlinkSync(join(outside.path, "secret"), join(path, "box", "link"));
  symlinkSync(outside.path, join(path, "out"));
  const provider = fileBlobstore({ root: path });
  provider.start?.(fakeContext()) as void;
  const link = fakeLink({}, { contractId: "wasmcloud:blobstore" });
  await provider.putLink!(link);
  const get = async (containerId: string, objectId: string) => {
    const payload = pack({ containerId, objectId });
    return unpack(await provider.handle(fakeCall("E4", "Blobstore.GetObject", payload, { link })), "reply");
  };
  assert.match(JSON.stringify(await get("box", "link")), /"success":false.*no object/);
  assert.match(JSON.stringify(await get("out", "secret")), /"success":false.*no object/);
  await provider.stop?.();
  assert.deepEqual(readdirSync(outside.path), ["secret"]);
  remove();
  outside.remove();
});

test("a link stays within the folder of the provider where it was given one", async () => {
  const { path, remove } = folder();
  const bound = fileBlobstore({ root: path });
  for (const ROOT of ["/etc", "../x"])
    await assert.rejects(Promise.resolve(bound.putLink!(fakeLink({ ROOT }))), { code: "LINK_VALUES_INVALID" });
  await bound.putLink!(fakeLink({ ROOT: "mine" }));
  assert.deepEqual(readdirSync(path), ["mine"]);
  const free = fileBlobstore();
  await free.putLink!(fakeLink({ ROOT: join(path, "other") }));
  assert.deepEqual(readdirSync(path), ["mine", "other"]);
  writeFileSync(join(path, "file"), "");
  await assert.rejects(Promise.resolve(free.putLink!(fakeLink({ ROOT: join(path, "file") }))), {
    code: "LINK_VALUES_INVALID",
  });
  remove();
});

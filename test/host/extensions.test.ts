import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { startHost } from "../../host/index.ts";

/** A module without a default export. */
const notOne = fileURLToPath(new URL("../support/until.ts", import.meta.url));
const absent = fileURLToPath(new URL("../support/absent.ts", import.meta.url));

for (const engines of [0, 1]) {
  const where = engines === 0 ? "in the caller's thread" : "in threads of their own";
  test(`a host whose policy is no policy does not start (engines ${where})`, async () => {
    await assert.rejects(startHost({ engines, policy: notOne }), {
      code: "FILE_UNREADABLE",
      message: /until\.ts: its default export is no policy/,
    });
    await assert.rejects(startHost({ engines, policy: absent }), { code: "FILE_UNREADABLE" });
  });

  test(`a host whose middleware is none does not start (engines ${where})`, async () => {
    await assert.rejects(startHost({ engines, middleware: [notOne] }), {
      code: "FILE_UNREADABLE",
      message: /until\.ts: its default export is no middleware/,
    });
  });
}

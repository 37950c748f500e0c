import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { fakeCall, fakeLink } from "../fakes.ts";
import { until } from "../until.ts";
import { type Behaviour, ok, packed, seen } from "./site.ts";

/** Clients that go away, links that come, change and go, and the end of the server. */
export function lifeBehaviours(behaviour: Behaviour): void {
  behaviour("a client that goes away while it sends leaves nothing behind", async (_openSite, openAlone) => {
    let calls = 0;
    await using site = await openAlone(() => (calls++, ok));
    const gone = httpRequest(site.url, { method: "POST", headers: { "content-length": "100" } }).on("error", () => {});
    gone.write("part");
    await until(() => site.underWay() > 0);
    gone.destroy();
    await until(() => site.underWay() === 0);
    await site.web.drain?.();
    assert.equal(calls, 0);
  });

  behaviour("an answer to a client that went away goes nowhere, and nobody is told", async (_openSite, openAlone) => {
    let answer: ((reply: Uint8Array) => void) | undefined;
    await using site = await openAlone(() => new Promise((resolve) => (answer = resolve)));
    const request = httpRequest(site.url).on("error", () => {});
    request.end();
    await until(() => answer !== undefined);
    request.destroy();
    await until(() => site.underWay() === 0);
    answer?.(ok);
    await site.web.drain?.();
    assert.deepEqual(site.lines(), []);
  });

  behaviour(
    "a drained server answers what it holds, refuses what comes, and then is done",
    async (_openSite, openAlone) => {
      let answer: ((reply: Uint8Array) => void) | undefined;
      await using site = await openAlone(() => new Promise((resolve) => (answer = resolve)));
      const held = fetch(site.url);
      await until(() => answer !== undefined);
      let drained = false;
      const draining = site.web.drain?.()?.then(() => (drained = true));
      const refused = await fetch(site.url);
      assert.equal(refused.status, 503);
      assert.equal(drained, false);
      answer?.(ok);
      assert.equal((await held).status, 200);
      await draining;
    },
  );

  behaviour(
    "a put with other values moves the listener; the same revision again changes nothing; a delete closes it",
    async (openSite) => {
      await using site = await openSite(() => ok);
      const again = await site.web.putLink?.(site.link);
      assert.deepEqual(again?.urls, [site.url]);
      const values = { address: "localhost:0", max_content_len: "1k" };
      const moved = await site.web.putLink?.({ ...site.link, revision: 2, values });
      const url = moved?.urls?.[0] ?? "";
      assert.notEqual(url, site.url);
      assert.equal((await fetch(url)).status, 200);
      assert.equal((await fetch(url, { method: "POST", body: "x".repeat(1_025) })).status, 413);
      await assert.rejects(fetch(site.url));
      await site.web.deleteLink?.(site.link);
      await assert.rejects(fetch(url));
      await site.web.deleteLink?.(fakeLink({}, { name: "never put" }));
    },
  );

  behaviour(
    "an actor that asks the HTTP server for something is told that there is nothing to ask",
    async (openSite) => {
      await using site = await openSite(() => ok);
      const { web, link } = site;
      await assert.rejects(async () => web.handle(fakeCall("E4", "Fly", ok, { link })), { code: "OPERATION_UNKNOWN" });
    },
  );

  behaviour("sixty-four clients at once get each the own answer, in every era", async (openSite) => {
    for (const era of ["E2", "E3", "E4"] as const) {
      await using site = await openSite(({ payload }) => packed({ body: seen(payload).body }), { era });
      await Promise.all(
        Array.from({ length: 64 }, async (_, client) => {
          for (const body of [`${client} small`, `${client} `.repeat(2_000)]) {
            const answer = await fetch(`${site.url}/${client}`, { method: "POST", body });
            assert.equal(await answer.text(), body);
          }
        }),
      );
    }
  });
}

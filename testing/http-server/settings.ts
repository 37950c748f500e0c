import assert from "node:assert/strict";
import { fail } from "../../lattice/index.ts";
import { fakeLink } from "../fakes.ts";
import { type Asked, type Behaviour, ok, packed, seen } from "./site.ts";

/** What the values of a link mean. Source: waPC and actors reference, section 15. */
export function settingBehaviours(behaviour: Behaviour): void {
  behaviour("the wait for the actor is the link's own where it says so", async (openSite) => {
    const asked: Asked[] = [];
    await using site = await openSite((each) => (asked.push(each), ok), { values: { port: "0", timeout_ms: "250" } });
    await fetch(site.url);
    assert.equal(asked[0]?.options.timeoutMs, 250);
  });

  behaviour("a link for reading only refuses what writes, and says how to cache", async (openSite) => {
    await using site = await openSite(
      ({ payload }) => (seen(payload).path === "/own" ? packed({ header: { "Cache-Control": ["no-store"] } }) : ok),
      { values: { port: "0", readonly_mode: "true", cache_control: "max-age=60" } },
    );
    assert.equal((await fetch(site.url)).headers.get("cache-control"), "max-age=60");
    assert.equal((await fetch(`${site.url}/own`)).headers.get("cache-control"), "no-store");
    const refused = await fetch(site.url, { method: "POST", body: "x" });
    assert.equal(refused.status, 405);
    assert.equal(refused.headers.get("allow"), "GET, HEAD");
  });

  behaviour("sites that the link names may use it from a browser; others are told nothing", async (openSite) => {
    const asked: Asked[] = [];
    const cors = {
      allowed_origins: ["https://app.example"],
      allowed_headers: ["x-token"],
      exposed_headers: ["x-count"],
      max_age_secs: 60,
    };
    await using site = await openSite((each) => (asked.push(each), ok), {
      values: { port: "0", config_json: JSON.stringify({ cors }) },
    });
    const preflight = async (origin: string) =>
      fetch(site.url, { method: "OPTIONS", headers: { origin, "access-control-request-method": "PUT" } });
    const allowed = await preflight("https://app.example");
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers.get("access-control-allow-origin"), "https://app.example");
    assert.match(allowed.headers.get("access-control-allow-methods") ?? "", /PUT/);
    assert.equal(allowed.headers.get("access-control-allow-headers"), "x-token");
    assert.equal(allowed.headers.get("access-control-max-age"), "60");
    assert.equal((await preflight("https://evil.example")).headers.get("access-control-allow-origin"), null);
    assert.equal(asked.length, 0, "the actor is not asked");
    const answer = await fetch(site.url, { headers: { origin: "https://app.example" } });
    assert.equal(answer.headers.get("access-control-allow-origin"), "https://app.example");
    assert.equal(answer.headers.get("access-control-expose-headers"), "x-count");
    assert.equal(answer.headers.get("vary"), "origin");
    assert.equal((await fetch(site.url)).headers.get("access-control-allow-origin"), null);
    assert.equal((await fetch(site.url, { method: "OPTIONS" })).status, 200, "a plain OPTIONS is the actor's");
  });

  behaviour("a page of another site may read failures too, and caches keep sites apart", async (openSite) => {
    const cors = { allowed_origins: ["https://app.example"] };
    const values = { port: "0", readonly_mode: "true", config_json: JSON.stringify({ cors }) };
    await using site = await openSite(() => Promise.reject(fail("QUEUE_FULL", "a", 1)), { values });
    const ask = async (method: string, origin?: string) => {
      const answer = await fetch(site.url, { method, ...(origin && { headers: { origin } }) });
      return [answer.status, answer.headers.get("access-control-allow-origin"), answer.headers.get("vary")];
    };
    const own = "https://app.example";
    assert.deepEqual(await ask("GET", own), [503, own, "origin"]);
    assert.deepEqual(await ask("POST", own), [405, own, "origin"]);
    assert.deepEqual(await ask("GET", "https://evil.example"), [503, null, "origin"]);
    assert.deepEqual(await ask("GET"), [503, null, "origin"]);
    const preflight = { origin: own, "access-control-request-method": "GET" };
    assert.equal((await fetch(site.url, { method: "OPTIONS", headers: preflight })).status, 204);
  });

  behaviour("without a list of sites every one may ask, of which caches need not know", async (openSite) => {
    for (const cors of [{}, { allowed_origins: ["*"] }]) {
      const values = { port: "0", config_b64: Buffer.from(JSON.stringify({ cors })).toString("base64") };
      await using site = await openSite(() => ok, { values });
      const headers = { origin: "https://any.example", "access-control-request-method": "PUT" };
      const { headers: told } = await fetch(site.url, { headers: { origin: "https://any.example" } });
      assert.deepEqual([told.get("access-control-allow-origin"), told.get("vary")], ["*", null]);
      const { headers: allowed } = await fetch(site.url, { method: "OPTIONS", headers });
      assert.equal(allowed.get("access-control-allow-methods"), "GET, POST, PUT, DELETE, HEAD, OPTIONS");
      assert.equal(allowed.get("access-control-max-age"), "300");
    }
  });

  behaviour("the values of a link are checked, and every problem is named at once", async (openSite) => {
    const bad: [Record<string, string>, RegExp][] = [
      [{ port: "99999" }, /99999/],
      [{ port: "http" }, /http/],
      [{ address: "nowhere" }, /nowhere/],
      [{ address: "127.0.0.1:80", port: "81" }, /disagree/],
      [{ port: "0", max_content_len: "lots", timeout_ms: "-1", readonly_mode: "maybe" }, /lots.*-1.*maybe/],
      [{ config_json: "{" }, /config_json/],
      [{ config_json: '{"tls":{"cert_file":"a"}}' }, /tls/],
      [{ config_json: '{"adress":"127.0.0.1:0"}' }, /adress/],
      [
        { config_json: '{"cors":{"allowed_origins":["nowhere"],"max_age_secs":-1,"color":1}}' },
        /max_age.*color.*origins/,
      ],
      [{ config_json: '{"cors":[]}' }, /cors/],
      [{ config_json: '{"address":{}}' }, /address must be text/],
      [{ config_file: "/etc/passwd" }, /config_file/],
      [{ port: "0", cache_control: "a\nb" }, /cache_control/],
    ];
    await using site = await openSite(() => ok);
    for (const [values, problem] of bad) {
      const link = fakeLink(values, { name: "other" });
      await assert.rejects(
        async () => site.web.putLink?.(link),
        (error: { code?: string; message: string }) => {
          assert.equal(error.code, "LINK_VALUES_INVALID");
          assert.match(error.message, problem);
          return true;
        },
      );
    }
  });

  behaviour("addresses are taken in all the forms that users know", async (openSite) => {
    const forms: Record<string, string>[] = [
      { address: "127.0.0.1:0" },
      { address: "localhost", port: "0" },
      { address: ":0" },
      { PORT: "0" },
      { config_json: '{"address":"127.0.0.1:0","tls":{},"max_content_len":"10m","timeout_ms":100}' },
      { config_b64: Buffer.from('{"address":"127.0.0.1:0"}').toString("base64") },
    ];
    for (const values of forms) {
      await using site = await openSite(() => ok, { values });
      assert.match(site.url, /^http:\/\/(127\.0\.0\.1|localhost):[1-9]/);
      assert.equal((await fetch(site.url)).status, 200, JSON.stringify(values));
    }
  });
}

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseKeyvalue, parseLinkValue, planRun, type GivenModule, type RunWishes } from "../../cli/run-plan.ts";

const own = [
  { reference: "builtin:httpserver", contractId: "wasmcloud:httpserver", isDefault: true },
  { reference: "builtin:keyvalue-memory", contractId: "wasmcloud:keyvalue", isDefault: true },
  { reference: "builtin:logging", contractId: "wasmcloud:builtin:logging", isDefault: true },
];
const wishes: RunWishes = {
  address: "127.0.0.1",
  port: 8080,
  keyvalue: { reference: "builtin:keyvalue-memory", config: {} },
  values: [],
};
const actor = (name: string, ...capabilities: string[]): GivenModule => ({ name, capabilities, portable: false });

describe("the plan of run", () => {
  test("starts one default provider per claimed contract, whatever era names it, and links HTTP last", () => {
    const { providers, links, warnings } = planRun(
      [
        actor("new", "wasmcloud:httpserver", "wasmcloud:keyvalue"),
        actor("old", "wascc:key_value", "wascc:http_server", "wascc:logging", ""),
      ],
      own,
      wishes,
    );
    assert.deepEqual(
      providers.map(({ contractId, linkName }) => `${contractId} ${linkName}`),
      ["wasmcloud:httpserver default", "wasmcloud:keyvalue default", "wasmcloud:builtin:logging default"],
    );
    assert.deepEqual(
      links.map(({ module, provider }) => [module, provider]),
      [
        [0, 1],
        [1, 1],
        [1, 2],
        [0, 0],
        [1, 0],
      ],
    );
    assert.deepEqual(warnings, []);
  });

  test("gives the first HTTP actor the port and each next one any free port", () => {
    const { links } = planRun([actor("a", "wasmcloud:httpserver"), actor("b", "wascc:http_server")], own, wishes);
    assert.deepEqual(
      links.map(({ values }) => values),
      [{ address: "127.0.0.1:8080" }, { address: "127.0.0.1:0" }],
    );
  });

  test("warns of a contract that nobody provides, once, with every actor that claims it", () => {
    const { warnings, links } = planRun([actor("a", "acme:thing"), actor("b", "acme:thing")], own, wishes);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", /acme:thing, which a, b claims/);
    assert.deepEqual(links, []);
  });

  test("takes the keys of actors among the capabilities of the first eras for what they are", () => {
    const key = "MDWHRGZFSLHOLMUO4C35UICYZ32UJCOJJUIAWM4QQRCKETT3DBHIPXOZ";
    assert.deepEqual(planRun([actor("a", key)], own, wishes), { providers: [], links: [], warnings: [] });
  });

  test("puts a portable provider behind its contract, before our own", () => {
    const modules = [actor("a", "wasmcloud:keyvalue"), { name: "p", capabilities: ["wascc:keyvalue"], portable: true }];
    const { providers, links } = planRun(modules, own, wishes);
    assert.deepEqual(
      providers.map(({ source }) => source),
      [{ kind: "portable", module: 1 }],
    );
    assert.deepEqual(
      links.map(({ module, provider }) => [module, provider]),
      [[0, 0]],
    );
  });

  test("puts link values where --set says, and a provider of its own behind another link name", () => {
    const values = [
      parseLinkValue("keyvalue:deadline=500ms"),
      parseLinkValue("wascc:keyvalue/cache:URL=redis://h:1/?a=b"),
      parseLinkValue("httpserver:port=9000"),
    ];
    const { providers, links } = planRun([actor("a", "wasmcloud:keyvalue", "wasmcloud:httpserver")], own, {
      ...wishes,
      values,
    });
    assert.deepEqual(
      providers.map(({ contractId, linkName }) => `${contractId}/${linkName}`),
      ["wasmcloud:keyvalue/default", "wasmcloud:keyvalue/cache", "wasmcloud:httpserver/default"],
    );
    assert.deepEqual(
      links.map((link) => link.values),
      [{ deadline: "500ms" }, { URL: "redis://h:1/?a=b" }, { port: "9000" }],
    );
  });

  test("refuses a link value for a contract that nobody claims", () => {
    const values = [parseLinkValue("messaging:subscription=x")];
    assert.throws(() => planRun([actor("a", "wasmcloud:keyvalue")], own, { ...wishes, values }), {
      code: "USAGE",
      message: /wasmcloud:messaging.*claimed: wasmcloud:keyvalue/,
    });
  });
});

describe("--set and --kv", () => {
  test("are refused with an example when they are malformed", () => {
    for (const wrong of ["", "a=b", "keyvalue", "keyvalue:=x", ":k=v"]) {
      assert.throws(() => parseLinkValue(wrong), { code: "USAGE", message: /CONTRACT\[\/LINK\]:KEY=VALUE/ }, wrong);
    }
    assert.throws(
      () => parseKeyvalue("mysql://:hunter2@x", own),
      ({ code, message }: Error & { code?: string }) => {
        return code === "USAGE" && message.includes("redis://HOST") && !message.includes("hunter2");
      },
    );
  });

  test("name the store, and say clearly when this build has none of that kind", () => {
    assert.deepEqual(parseKeyvalue("memory", own), { reference: "builtin:keyvalue-memory", config: {} });
    const more = [...own, { reference: "builtin:keyvalue-sqlite", contractId: "wasmcloud:keyvalue", isDefault: false }];
    assert.deepEqual(parseKeyvalue("sqlite:/tmp/x.db", more).config, { path: "/tmp/x.db" });
    for (const without of ["sqlite", "sqlite:"]) {
      assert.throws(() => parseKeyvalue(without, more), { code: "USAGE", message: /sqlite:FILE/ });
    }
    const all = ["redis", "nats"].map((name) => ({
      reference: `builtin:keyvalue-${name}`,
      contractId: "wasmcloud:keyvalue",
      isDefault: false,
    }));
    const forms = ["redis", "redis://h:1/2", "rediss://h", "nats", "nats://h"];
    assert.deepEqual(
      forms.map((form) => Object.values(parseKeyvalue(form, all)).map((part) => JSON.stringify(part))),
      [
        ['"builtin:keyvalue-redis"', "{}"],
        ['"builtin:keyvalue-redis"', '{"url":"redis://h:1/2"}'],
        ['"builtin:keyvalue-redis"', '{"url":"rediss://h"}'],
        ['"builtin:keyvalue-nats"', "{}"],
        ['"builtin:keyvalue-nats"', '{"url":"nats://h"}'],
      ],
    );
    assert.throws(() => parseKeyvalue("redis://127.0.0.1", own), { code: "PRECONDITION", message: /use --kv memory/ });
  });
});

import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { HostMetrics, metricTable } from "../../host/host-metrics.ts";
import type { HostSnapshot, PlacementFigures } from "../../host/host-snapshot.ts";
import { Counter, Histogram, Registry, Series } from "../../host/metrics.ts";
import { MetricsServer } from "../../host/metrics-server.ts";
import { metricsText } from "../../host/metrics-text.ts";

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));

function placement(id: string, more: Partial<PlacementFigures> = {}): PlacementFigures {
  return {
    id,
    key: "M1",
    actor: "counter",
    calls: 0,
    errors: 0,
    traps: 0,
    instances: 1,
    busy: 0,
    waiting: 0,
    queueMs: 0,
    cpuMs: 0,
    memoryBytes: 65_536,
    ...more,
  };
}

function snapshot(more: Partial<HostSnapshot> = {}): HostSnapshot {
  return {
    host: {
      id: "N1",
      name: "calm-otter-1",
      version: "0.1.0",
      lattice: "default",
      uptimeSeconds: 3,
      links: 2,
      unclaimed: 0,
    },
    placements: [],
    providers: [],
    engines: [],
    links: [],
    errors: {},
    checks: [{ name: "engines", ok: true }],
    ...more,
  };
}

/** The value of each series by its whole name. */
function scrape(metrics: HostMetrics, given: HostSnapshot): Map<string, number> {
  const lines = metricsText(metrics.families(given)).split("\n");
  return new Map(
    lines
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const space = line.lastIndexOf(" ");
        return [line.slice(0, space), Number(line.slice(space + 1))];
      }),
  );
}

test("text escapes label values and help, and writes a histogram cumulatively", () => {
  const times = new Histogram([0.1, 1]);
  for (const seconds of [0.05, 0.1, 0.5, 3]) times.observe(seconds);
  const text = metricsText([
    { name: "a_total", type: "counter", help: "one\\two\nthree", samples: [{ labels: { x: 'q"\\\n' }, value: 3 }] },
    { name: "t_seconds", type: "histogram", help: "times", samples: [{ labels: { op: "get" }, value: times }] },
    { name: "empty", type: "gauge", help: "none", samples: [] },
  ]);
  assert.equal(
    text,
    String.raw`# HELP a_total one\\two\nthree
# TYPE a_total counter
a_total{x="q\"\\\n"} 3
# HELP t_seconds times
# TYPE t_seconds histogram
t_seconds_bucket{op="get",le="0.1"} 2
t_seconds_bucket{op="get",le="1"} 3
t_seconds_bucket{op="get",le="+Inf"} 4
t_seconds_sum{op="get"} 3.65
t_seconds_count{op="get"} 4
`,
  );
});

test("calls of a placement show by outcome, times in seconds", () => {
  const series = scrape(
    new HostMetrics(10),
    snapshot({ placements: [placement("p1", { calls: 10, errors: 3, traps: 1, cpuMs: 1_500, waiting: 4, busy: 1 })] }),
  );
  const labels = 'actor="counter",placement="p1"';
  assert.equal(series.get(`lattice_calls_total{${labels},outcome="ok"}`), 7);
  assert.equal(series.get(`lattice_calls_total{${labels},outcome="error"}`), 2);
  assert.equal(series.get(`lattice_calls_total{${labels},outcome="trap"}`), 1);
  assert.equal(series.get(`lattice_cpu_seconds_total{${labels}}`), 1.5);
  assert.equal(series.get(`lattice_queue_length{${labels}}`), 4);
  assert.equal(series.get(`lattice_guest_memory_bytes{${labels}}`), 65_536);
});

test("errors, providers, engines and HTTP have the documented names", () => {
  const series = scrape(
    new HostMetrics(10),
    snapshot({
      host: { ...snapshot().host, http: { connections: 5, requests: { "2xx": 7 } } },
      errors: { LINK_ABSENT: 2 },
      providers: [
        {
          id: "v",
          key: "V1",
          name: "kv",
          contractId: "wasmcloud:keyvalue",
          linkName: "default",
          healthy: false,
          faults: 3,
          calls: 5,
          errors: 1,
        },
      ],
      engines: [{ index: 0, alive: true, restarts: 2, instances: 1, connections: 1 }],
    }),
  );
  const provider = 'provider="kv",contract="wasmcloud:keyvalue",link_name="default"';
  assert.equal(series.get('lattice_call_errors_total{code="LINK_ABSENT"}'), 2);
  assert.equal(series.get(`lattice_provider_calls_total{${provider},outcome="ok"}`), 4);
  assert.equal(series.get(`lattice_provider_healthy{${provider}}`), 0);
  assert.equal(series.get(`lattice_provider_faults_total{${provider}}`), 3);
  assert.equal(series.get('lattice_engine_restarts_total{engine="0"}'), 2);
  assert.equal(series.get('lattice_http_requests_total{status="2xx"}'), 7);
  assert.equal(series.get('lattice_ready{check="engines"}'), 1);
  assert.ok((series.get("process_resident_memory_bytes") ?? 0) > 1_000_000);
});

test("ten thousand placements make no more series than the bound, the rest are summed", () => {
  const placements = Array.from({ length: 10_000 }, (_, n) => placement(`p${n}`, { calls: n }));
  const series = scrape(new HostMetrics(100), snapshot({ placements }));
  const calls = [...series].filter(([name]) => name.startsWith("lattice_calls_total"));
  assert.equal(calls.length, 101 * 3);
  assert.equal(series.get("lattice_placements"), 10_000);
  assert.ok(series.has('lattice_calls_total{actor="counter",placement="p9999",outcome="ok"}'));
  assert.equal(series.get('lattice_instances{actor="other",placement="other"}'), 9_900);
  assert.equal(
    calls.reduce((sum, [, value]) => sum + value, 0),
    (9_999 * 10_000) / 2,
  );
});

test("a placement that is called takes the series of one that never was", () => {
  const metrics = new HostMetrics(1);
  scrape(metrics, snapshot({ placements: [placement("idle"), placement("late")] }));
  const series = scrape(metrics, snapshot({ placements: [placement("idle"), placement("late", { calls: 1 })] }));
  assert.ok(series.has('lattice_calls_total{actor="counter",placement="late",outcome="ok"}'));
});

test("no counter ever falls: not when a placement stops, not when an engine starts anew", () => {
  const metrics = new HostMetrics(1);
  const own = 'lattice_calls_total{actor="counter",placement="a",outcome="ok"}';
  const other = 'lattice_calls_total{actor="other",placement="other",outcome="ok"}';
  const steps: PlacementFigures[][] = [
    [placement("a", { calls: 100 }), placement("b", { calls: 50 }), placement("c", { calls: 7 })],
    [placement("a", { calls: 110 }), placement("b", { calls: 60 })],
    [placement("a", { calls: 20 }), placement("b", { calls: 5 })],
    [placement("a", { calls: 25 })],
  ];
  let before = [0, 0];
  for (const placements of steps) {
    const series = scrape(metrics, snapshot({ placements }));
    const now = [series.get(own) ?? 0, series.get(other) ?? 0];
    assert.ok(
      (now[0] ?? 0) >= (before[0] ?? 0) && (now[1] ?? 0) >= (before[1] ?? 0),
      `${before.join()} -> ${now.join()}`,
    );
    before = now;
  }
  assert.deepEqual(before, [115, 67]);
});

test("calls to and from other hosts and over links are told by form, outcome and reason", () => {
  const metrics = new HostMetrics(1);
  const link = (id: string, actor: string, calls: number, errors: number) => {
    return { id, actor, contractId: "wasmcloud:keyvalue", linkName: "default", calls, errors };
  };
  const series = scrape(
    metrics,
    snapshot({
      links: [link("1", "counter", 5, 2), link("2", "shop", 3, 0)],
      remote: {
        sent: { session: 7, wasmcloud: 2 },
        failed: { session: 1, wasmcloud: 0 },
        ms: { session: 1_500, wasmcloud: 20 },
        served: { session: 4, wasmcloud: 3 },
        refused: { FRAME_TAG: 2 },
      },
    }),
  );
  const value = (name: string) => series.get(name);
  assert.equal(value('lattice_remote_sent_total{form="session",outcome="ok"}'), 6);
  assert.equal(value('lattice_remote_sent_total{form="session",outcome="error"}'), 1);
  assert.equal(value('lattice_remote_seconds_total{form="session"}'), 1.5);
  assert.equal(value('lattice_remote_served_total{form="wasmcloud"}'), 3);
  assert.equal(value('lattice_remote_refused_total{reason="FRAME_TAG"}'), 2);
  const about = (actor: string, contract: string, name: string, outcome: string) =>
    value(`lattice_link_calls_total{actor="${actor}",contract="${contract}",link_name="${name}",outcome="${outcome}"}`);
  assert.equal(about("counter", "wasmcloud:keyvalue", "default", "ok"), 3);
  assert.equal(about("other", "other", "other", "ok"), 3);
});

test("every name has the form and suffix that its type asks for", () => {
  for (const [name, { type }] of Object.entries(metricTable)) {
    assert.match(name, /^(lattice|process)_[a-z_]+$/);
    assert.equal(name.endsWith("_total"), type === "counter", name);
  }
});

test("an instrument is found by its labels in any order, and their number is bounded", () => {
  const series = new Series("x_total", "counter", "x", () => new Counter(), 3);
  assert.equal(series.with({ a: "1", b: "2" }), series.with({ b: "2", a: "1" }));
  for (let n = 0; n < 100; n++) series.with({ a: String(n), b: "x" }).add();
  const { samples } = series.family();
  assert.equal(samples.length, 4);
  assert.equal(samples.find(({ labels }) => labels["a"] === "other")?.value, 98);
});

test("the server answers metrics with the registry's own, liveness and readiness", async () => {
  const registry = new Registry();
  registry.counter("lattice_control_requests_total", "requests").with({ verb: "get" }).add(3);
  await using server = await MetricsServer.start({
    address: "127.0.0.1:0",
    snapshot: () => snapshot(),
    registry,
    metricPlacements: 10,
  });
  const answer = await fetch(`http://${server.address}/metrics`);
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.match(await answer.text(), /lattice_control_requests_total\{verb="get"\} 3\n/);
  assert.equal(await (await fetch(`http://${server.address}/livez`)).text(), "ok\n");
  assert.equal((await fetch(`http://${server.address}/readyz`)).status, 200);
  assert.equal((await fetch(`http://${server.address}/else`)).status, 404);
  assert.equal((await fetch(`http://${server.address}/metrics`, { method: "POST" })).status, 405);
});

test("a host that is not ready says why, in words and as JSON", async () => {
  const checks = [
    { name: "engines", ok: true },
    { name: "nats", ok: false, message: "no answer from 127.0.0.1:4222" },
  ];
  await using server = await MetricsServer.start({
    address: "127.0.0.1:0",
    snapshot: async () => snapshot({ checks }),
    metricPlacements: 10,
  });
  const answer = await fetch(`http://${server.address}/readyz`);
  assert.equal(answer.status, 503);
  assert.equal(await answer.text(), "nats: no answer from 127.0.0.1:4222\n");
  assert.deepEqual(await (await fetch(`http://${server.address}/readyz?verbose`)).json(), { ready: false, checks });
  assert.equal((await fetch(`http://${server.address}/livez?verbose`)).status, 200);
});

test("a host that fails or hangs is alive, not ready, and shows nothing of its insides", async () => {
  for (const broken of [
    (): never => assert.fail("secret inside"),
    async (): Promise<never> => await new Promise(() => {}),
  ]) {
    await using server = await MetricsServer.start({
      address: hasIpv6 ? "[::1]:0" : "127.0.0.1:0",
      snapshot: broken,
      metricPlacements: 10,
      timeoutMs: 50,
    });
    const answer = await fetch(`http://${server.address}/metrics`);
    assert.equal(answer.status, 503);
    assert.doesNotMatch(await answer.text(), /secret/);
    assert.equal((await fetch(`http://${server.address}/livez`)).status, 200);
  }
});

test("an address that is taken is refused by name", async () => {
  const options = { address: "127.0.0.1:0", snapshot: () => snapshot(), metricPlacements: 10 };
  await using first = await MetricsServer.start(options);
  await assert.rejects(MetricsServer.start({ ...options, address: first.address }), {
    code: "ADDRESS_UNAVAILABLE",
    message: new RegExp(`cannot listen on ${first.address}`),
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Link, Provider } from "../capabilities/index.ts";
import { type Era, isLatticeError } from "../lattice/index.ts";
import { fakeCall, fakeContext, fakeLink } from "./fakes.ts";
import type { SuiteOptions } from "./server.ts";

/** A provider that nobody started yet, and the end of what stands behind it. */
export interface ProviderUnderTest {
  readonly provider: Provider;
  /** Its configuration, as given when it is started. */
  readonly config?: Readonly<Record<string, string>>;
  readonly close?: () => Promise<void> | void;
}

/** What the suite has to know of the contract: one call, made many times, and the links it is made over. */
export interface ProviderScript {
  /** Called for every behaviour, for some twice: two beside each other, as during a swap. */
  readonly open: () => ProviderUnderTest | Promise<ProviderUnderTest>;
  /** Values that its links need. */
  readonly values?: Readonly<Record<string, string>>;
  /** Link values that it must refuse, each by itself. */
  readonly refused?: readonly Readonly<Record<string, string>>[];
  readonly call: {
    readonly operation: string;
    /** Default: none. */
    readonly payload?: Uint8Array | string;
    /** Default E4. */
    readonly era?: Era;
    /** Throws when the answer is wrong. The same call may be asked many times before. */
    readonly answered: (reply: Uint8Array) => void;
  };
}

/** One started provider with a link. */
class Tried {
  readonly provider: Provider;
  readonly #script: ProviderScript;
  readonly #under: ProviderUnderTest;
  #revision = 0;

  private constructor(script: ProviderScript, under: ProviderUnderTest) {
    this.#script = script;
    this.#under = under;
    this.provider = under.provider;
  }

  static async open(script: ProviderScript): Promise<Tried> {
    const tried = new Tried(script, await script.open());
    try {
      await tried.start();
    } catch (error) {
      await tried.close();
      throw error;
    }
    return tried;
  }

  async start(): Promise<void> {
    const { config = {} } = this.#under;
    await this.provider.start?.({ ...fakeContext(), config });
    await this.put();
  }

  link(values = this.#script.values ?? {}, name = "tried"): Link {
    const { contractId } = this.provider;
    const { era = "E4" } = this.#script.call;
    return fakeLink(values, { contractId, era, name, revision: ++this.#revision });
  }

  async put(link = this.link()): Promise<Link> {
    await this.provider.putLink?.(link);
    return link;
  }

  /** The script's call, or one like it. */
  async ask(link: Link, operation = this.#script.call.operation, payload = this.payload()): Promise<Uint8Array> {
    return this.provider.handle(fakeCall(this.#script.call.era ?? "E4", operation, payload, { link }));
  }

  payload(): Uint8Array {
    return new Uint8Array(Buffer.from(this.#script.call.payload ?? ""));
  }

  async answers(link: Link): Promise<void> {
    this.#script.call.answered(await this.ask(link));
  }

  async close(): Promise<void> {
    await this.provider.stop?.();
    await this.#under.close?.();
  }
}

/** What a host counts on in every provider, whatever its contract. `script` says what to call. */
export function providerSuite(name: string, script: ProviderScript, { skip = false }: SuiteOptions = {}): void {
  const behaviour = (title: string, body: (tried: Tried) => Promise<void>): void => {
    void test(title, async () => {
      const tried = await Tried.open(script);
      try {
        await body(tried);
      } finally {
        await tried.close();
      }
    });
  };

  void describe(`${name} as a provider`, { skip }, () => {
    behaviour("it names its contract and itself, and is well once it has started", async ({ provider }) => {
      assert.notEqual(provider.contractId, "");
      assert.notEqual(provider.name, "");
      if (provider.health) assert.deepEqual((await provider.health()).healthy, true);
    });

    behaviour("a call is answered, again and again, sixty-four at once", async (tried) => {
      const link = await tried.put();
      await tried.answers(link);
      await tried.answers(link);
      await Promise.all(Array.from({ length: 64 }, async () => tried.answers(link)));
    });

    behaviour("the caller's payload is read and left as it was", async (tried) => {
      const link = await tried.put();
      const payload = tried.payload();
      await tried.ask(link, undefined, payload);
      assert.deepEqual(payload, tried.payload());
    });

    behaviour("an operation that the contract lacks is refused, and the next call is answered", async (tried) => {
      const link = await tried.put();
      await refused(async () => tried.ask(link, "NoSuchOperation"), "OPERATION_UNKNOWN");
      await tried.answers(link);
    });

    behaviour("bytes that make no sense end that call at most", async (tried) => {
      const link = await tried.put();
      for (const garbage of [Uint8Array.of(), Uint8Array.of(0xc1), new Uint8Array(4_096).fill(0xff)])
        await tried.ask(link, undefined, garbage).catch(() => undefined);
      await tried.answers(link);
    });

    behaviour("a link that is put again, by calls that go on, leaves no gap", async (tried) => {
      const first = await tried.put();
      await tried.put(first);
      let link = first;
      const asked: Promise<void>[] = [];
      const failures: unknown[] = [];
      for (let round = 0; round < 10; round++) {
        const next = tried.link();
        const putting = tried.put(next);
        for (let call = 0; call < 5; call++)
          asked.push(tried.answers(link).catch((error: unknown) => void failures.push(error)));
        link = await putting;
        await setImmediate();
      }
      await Promise.all(asked);
      assert.deepEqual(failures, []);
      await tried.answers(link);
    });

    behaviour("a link may be deleted twice, or though it was never put; others stay", async (tried) => {
      const [mine, other] = [await tried.put(), await tried.put(tried.link(undefined, "other"))];
      await tried.provider.deleteLink?.(tried.link(undefined, "unknown"));
      await tried.provider.deleteLink?.(other);
      await tried.provider.deleteLink?.(other);
      await tried.answers(mine);
      await tried.answers(await tried.put(tried.link(undefined, "other")));
    });

    if (script.refused?.length) {
      behaviour("link values that are wrong are refused, and the link that stood stays", async (tried) => {
        const link = await tried.put();
        for (const values of script.refused ?? []) {
          await refused(async () => tried.put(tried.link(values)), "LINK_VALUES_INVALID", JSON.stringify(values));
          await refused(async () => tried.put(tried.link(values, "new")), "LINK_VALUES_INVALID");
        }
        await tried.answers(link);
      });
    }

    behaviour("a second one takes over while the first drains: every call is answered", async (old) => {
      const link = await old.put();
      const fresh = await Tried.open(script);
      try {
        await fresh.put(link);
        await fresh.answers(link);
        let open = 16;
        const failures: unknown[] = [];
        const note = (error: unknown) => void failures.push(error);
        const done = () => void open--;
        const held = Array.from({ length: open }, async () => old.answers(link).catch(note).finally(done));
        await old.provider.drain?.();
        await setImmediate();
        if (old.provider.drain) assert.equal(open, 0, "drain resolves when the calls it holds are done");
        await Promise.all(held);
        assert.deepEqual(failures, []);
        await old.provider.stop?.();
        await fresh.answers(link);
      } finally {
        await fresh.close();
      }
    });

    behaviour("stop may come twice; one that is restartable starts again and gets its links", async (tried) => {
      await tried.answers(await tried.put());
      await tried.provider.stop?.();
      await tried.provider.stop?.();
      if (tried.provider.restartable !== true) return;
      await tried.start();
      await tried.answers(await tried.put());
    });

    behaviour("what it exports it takes back, the same entries once", async (tried) => {
      const { provider } = tried;
      if (!provider.exportEntries || !provider.importEntries) return;
      const link = await tried.put();
      await tried.answers(link);
      const entries = await Array.fromAsync(provider.exportEntries(link));
      if (provider.countEntries) assert.equal(await provider.countEntries(link), entries.length);
      const again = async function* () {
        yield* entries;
      };
      assert.equal(await provider.importEntries(again(), link), entries.length);
      assert.deepEqual(keys(await Array.fromAsync(provider.exportEntries(link))), keys(entries));
    });
  });
}

function keys(entries: readonly { readonly key: string }[]): string[] {
  return entries.map(({ key }) => key).toSorted();
}

async function refused(attempt: () => Promise<unknown>, code: string, what = "it"): Promise<void> {
  const error = await attempt().then(
    () => assert.fail(`${what} was not refused with ${code}`),
    (reason: unknown) => reason,
  );
  if (!isLatticeError(error)) assert.fail(`${what} was refused with ${String(error)}, which is no ${code}`);
  assert.equal(error.code, code, error.message);
}

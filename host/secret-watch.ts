import { describe } from "../lattice/index.ts";
import type { LinkSpec } from "./engine-messages.ts";
import type { SecretBucket } from "./secret-bucket.ts";
import { refersToSecrets, secretStamp, type SecretSources } from "./secrets.ts";
import type { Wanted } from "./wanted.ts";

export interface SecretWatchOptions {
  readonly wanted: Wanted;
  readonly sources: SecretSources;
  readonly bucket: SecretBucket;
  readonly everyMs: number;
  /** Puts a link again, so that its provider gets the values of now. */
  readonly renew: (linkId: string) => Promise<void>;
  /** Starts a provider again, where its settings mean something else now; false when it cannot be told yet. */
  readonly renewProvider: (id: string) => Promise<boolean>;
  readonly warn: (text: string) => void;
  /** What the link takes effect with. */
  readonly valuesOf: (link: LinkSpec) => Readonly<Record<string, string>>;
}

/**
 * Looks now and then, and when the lattice's secrets changed, whether a secret that a link or the settings of a
 * provider refer to has changed where it lies, so that a rotated password reaches the provider by itself. One that cannot be read for the moment changes
 * nothing: the provider goes on with what it has.
 */
export class SecretWatch {
  readonly #options: SecretWatchOptions;
  readonly #stamps = new Map<string, string>();
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> = Promise.resolve();
  /** Another look comes after the one under way. */
  #again = false;

  constructor(options: SecretWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(), options.everyMs).unref();
  }

  /** Looks as soon as no look is under way. Resolves when links whose secrets changed are put again. */
  look(): Promise<void> {
    if (!this.#again) {
      this.#again = true;
      this.#looking = this.#looking.then(() => {
        this.#again = false;
        return this.#look();
      });
    }
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { wanted, renew } = this.#options;
    const changed: string[] = [];
    for (const [id, { spec }] of wanted.links) {
      const values = spec.providerId === undefined ? undefined : this.#valuesNow(spec);
      if (values && (await this.#hasChanged(id, values))) changed.push(id);
    }
    const { providers } = wanted;
    const settings: string[] = [];
    for (const [id, { spec }] of providers) if (await this.#hasChanged(id, spec.config)) settings.push(id);
    for (const id of this.#stamps.keys()) if (!wanted.links.has(id) && !providers.has(id)) this.#stamps.delete(id);
    for (const id of changed) await renew(id);
    for (const id of settings) await this.#renewProvider(id);
  }

  /** Also true at first sight: nobody knows what stood there when it was put, a moment ago. */
  async #hasChanged(id: string, values: Readonly<Record<string, string>>): Promise<boolean> {
    const { sources, bucket } = this.#options;
    if (!refersToSecrets(values)) return false;
    // What cannot be known for the moment changes nothing.
    const sealed = await bucket.entriesFor(values).catch(() => undefined);
    const stamp = secretStamp(values, sources, sealed);
    if (stamp === undefined || stamp === this.#stamps.get(id)) return false;
    this.#stamps.set(id, stamp);
    return true;
  }

  async #renewProvider(id: string): Promise<void> {
    const { renewProvider, wanted, warn } = this.#options;
    try {
      if (!(await renewProvider(id))) this.#stamps.delete(id);
    } catch (error) {
      const name = wanted.providers.get(id)?.spec.name ?? id;
      warn(`${name} does not start with the secrets of now: ${describe(error)}`);
    }
  }

  /** Undefined while a configuration that it uses is away. */
  #valuesNow(link: LinkSpec): Readonly<Record<string, string>> | undefined {
    try {
      return this.#options.valuesOf(link);
    } catch {
      return undefined;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

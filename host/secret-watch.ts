import type { LinkSpec } from "./engine-messages.ts";
import { refersToSecrets, secretStamp, type SecretSources } from "./secrets.ts";
import type { Wanted } from "./wanted.ts";

/**
 * Looks now and then whether a secret that a link refers to has changed where it lies, so that a
 * rotated password reaches the provider by itself. One that cannot be read for the moment changes
 * nothing: the provider goes on with what it has.
 */
export class SecretWatch {
  readonly #wanted: Wanted;
  readonly #sources: SecretSources;
  readonly #renew: (linkId: string) => Promise<void>;
  readonly #valuesOf: (link: LinkSpec) => Readonly<Record<string, string>>;
  readonly #stamps = new Map<string, string>();
  readonly #timer: NodeJS.Timeout;

  /** `renew` puts a link again, so that its provider gets the values of now. */
  constructor(
    wanted: Wanted,
    sources: SecretSources,
    everyMs: number,
    renew: (linkId: string) => Promise<void>,
    valuesOf: (link: LinkSpec) => Readonly<Record<string, string>> = ({ values }) => values,
  ) {
    this.#valuesOf = valuesOf;
    this.#wanted = wanted;
    this.#sources = sources;
    this.#renew = renew;
    this.#timer = setInterval(() => void this.look(), everyMs).unref();
  }

  /** Looks at once. Resolves when links whose secrets changed are put again. */
  async look(): Promise<void> {
    const changed: string[] = [];
    for (const [id, { spec }] of this.#wanted.links) {
      const values = spec.providerId === undefined ? undefined : this.#valuesNow(spec);
      if (!values || !refersToSecrets(values)) continue;
      const stamp = secretStamp(values, this.#sources);
      if (stamp === undefined || stamp === this.#stamps.get(id)) continue;
      // Also at first sight: nobody knows what stood there when the link was put, a moment ago.
      this.#stamps.set(id, stamp);
      changed.push(id);
    }
    for (const id of this.#stamps.keys()) if (!this.#wanted.links.has(id)) this.#stamps.delete(id);
    for (const id of changed) await this.#renew(id);
  }

  /** Undefined while a configuration that it uses is away. */
  #valuesNow(link: LinkSpec): Readonly<Record<string, string>> | undefined {
    try {
      return this.#valuesOf(link);
    } catch {
      return undefined;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

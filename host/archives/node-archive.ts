import { binaryOf, nodeTarget, type VerifiedArchive } from "../../actors/index.ts";
import type { Link, LinkStatus } from "../../capabilities/index.ts";
import { fail } from "../../lattice/index.ts";
import { ChildProvider, childLimits } from "../children/child-provider.ts";
import { checkLinkValues } from "./link-schema.ts";
import { programPath, unpackProgram } from "./programs.ts";

const ending = ".mjs";

/**
 * The provider of an archive's module for Node: a child process like any other, which may read its own file and no
 * other, and use the network when its claims say so. Its function gets the provider's configuration. The file is
 * hashed again before each start.
 */
export class NodeArchiveProvider extends ChildProvider {
  readonly #archive: VerifiedArchive;
  readonly #stateDirectory: string;

  constructor(archive: VerifiedArchive, stateDirectory: string) {
    const path = programPath(binaryOf(archive, nodeTarget), stateDirectory, ending);
    super(path, { alone: true, network: archive.claims.network, config: {} }, childLimits({}));
    this.#archive = archive;
    this.#stateDirectory = stateDirectory;
  }

  /** Of the claims: what was signed counts, before it runs and after. */
  override get contractId(): string {
    return this.#archive.claims.contractId;
  }

  override get name(): string {
    return this.#archive.claims.name;
  }

  override get key(): string {
    return this.#archive.claims.key;
  }

  override async load(): Promise<void> {
    await unpackProgram(binaryOf(this.#archive, nodeTarget), this.#stateDirectory, ending);
    await super.load();
    if (super.contractId === this.contractId) return;
    await this.stop();
    const { name } = this.#archive.claims;
    const why = `it provides ${super.contractId}, and ${this.contractId} was signed for ${name}`;
    throw fail("PROVIDER_MODULE_INVALID", this.path, why);
  }

  override async putLink(link: Link): Promise<void | LinkStatus> {
    checkLinkValues(this.#archive.claims.configSchema, link.values, this.name);
    return super.putLink(link);
  }
}

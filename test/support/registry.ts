import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { until } from "./until.ts";

/** docker-registry, by `DOCKER_REGISTRY` or the PATH; undefined where there is none. */
export function findRegistry(): string | undefined {
  const named = process.env.DOCKER_REGISTRY;
  if (named !== undefined && named !== "") return named;
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/bin", "/usr/sbin"];
  return folders.map((folder) => join(folder, "docker-registry")).find((path) => existsSync(path));
}

/** For a test's `skip`: false when a registry is there, else a reason; with `CI=true` it is there or the test fails. */
export const withoutRegistry: string | false =
  findRegistry() !== undefined || process.env.CI === "true"
    ? false
    : "SKIPPED: docker-registry was not found; set DOCKER_REGISTRY to its path to check against it";

/** Who may read and write a registry with `basic`. */
export const registryLogin = { username: "puller", password: "open sesame" } as const;
/** bcrypt of that password, which is all that docker-registry takes. */
const passwordHash = "$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW";

export interface RegistryOptions {
  /** Lets in only who says the name and password of `registryLogin`. */
  readonly basic?: boolean;
  /** Sends everybody to this token service; `certificate` is what it signs tokens with. */
  readonly token?: {
    readonly realm: string;
    readonly service: string;
    readonly issuer: string;
    readonly certificate: string;
  };
}

/** A real registry on a free port of this machine, empty at first, gone with its folder at the end. */
export class Registry implements AsyncDisposable {
  /** `127.0.0.1:PORT`, as references write it. */
  readonly host: string;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #authorization: Readonly<Record<string, string>>;

  private constructor(host: string, child: ChildProcess, folder: string, basic: boolean) {
    this.host = host;
    this.#child = child;
    this.#folder = folder;
    const { username, password } = registryLogin;
    const login = Buffer.from(`${username}:${password}`).toString("base64");
    this.#authorization = basic ? { authorization: `Basic ${login}` } : {};
  }

  static async start({ basic, token }: RegistryOptions = {}): Promise<Registry> {
    const path = findRegistry();
    if (path === undefined) throw new Error("docker-registry was not found; set DOCKER_REGISTRY to its path");
    const folder = mkdtempSync(join(tmpdir(), "lattice-registry-"));
    const config: Record<string, unknown> = {
      version: "0.1",
      log: { level: "info", accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, "storage") }, delete: { enabled: true } },
      http: { addr: "127.0.0.1:0" },
    };
    if (basic === true) {
      const file = join(folder, "htpasswd");
      writeFileSync(file, `${registryLogin.username}:${passwordHash}\n`);
      config.auth = { htpasswd: { realm: "test", path: file } };
    }
    if (token) {
      const file = join(folder, "issuer.pem");
      writeFileSync(file, token.certificate);
      config.auth = {
        token: { realm: token.realm, service: token.service, issuer: token.issuer, rootcertbundle: file },
      };
    }
    const file = join(folder, "config.yml");
    writeFileSync(file, JSON.stringify(config));
    const child = spawn(path, ["serve", file], { stdio: ["ignore", "ignore", "pipe"] });
    let log = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
    const port = await until(() => {
      if (child.exitCode !== null) throw new Error(`docker-registry ended: ${log}`);
      return /listening on 127\.0\.0\.1:(\d+)/.exec(log)?.[1];
    });
    return new Registry(`127.0.0.1:${port}`, child, folder, basic === true);
  }

  /** Stores one module or archive as wash does, and gives the reference to it. */
  async push(name: string, bytes: Uint8Array): Promise<string> {
    const { manifest, blobs } = artifact(bytes);
    await this.put(name, "1", manifest, blobs);
    return `${this.host}/${name}:1`;
  }

  /** Stores bytes and says where; for artifacts of a shape that no tool makes. */
  async put(repository: string, tag: string, manifest: object, blobs: readonly Uint8Array[] = []): Promise<string> {
    for (const blob of blobs) {
      const begun = await this.#send(`${repository}/blobs/uploads/`, { method: "POST" });
      const location = new URL(begun.headers.get("location") ?? "", `http://${this.host}`);
      location.searchParams.set("digest", digestOf(blob));
      await this.#send(location.href, { method: "PUT", body: Uint8Array.from(blob) });
    }
    const body = JSON.stringify(manifest);
    const type = (manifest as { mediaType?: string }).mediaType ?? "application/vnd.oci.image.manifest.v1+json";
    await this.#send(`${repository}/manifests/${tag}`, { method: "PUT", body, headers: { "content-type": type } });
    return digestOf(Buffer.from(body));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await until(() => this.#child.exitCode !== null || this.#child.signalCode !== null);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string> | undefined), ...this.#authorization };
    const response = await fetch(new URL(path, `http://${this.host}/v2/`), { ...init, headers });
    if (!response.ok) throw new Error(`${init.method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  }
}

/** `sha256:...` as registries name bytes. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** One layer as wash and wasm-to-oci push it: give both to `put`. */
export function artifact(
  bytes: Uint8Array,
  mediaType = "application/vnd.module.wasm.content.layer.v1+wasm",
): { readonly manifest: object; readonly blobs: readonly Uint8Array[] } {
  const config = Buffer.from("{}");
  const descriptor = (blob: Uint8Array, type: string) => ({
    mediaType: type,
    digest: digestOf(blob),
    size: blob.length,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptor(config, "application/vnd.wasmcloud.actor.archive.config"),
    layers: [descriptor(bytes, mediaType)],
  };
  return { manifest, blobs: [config, bytes] };
}

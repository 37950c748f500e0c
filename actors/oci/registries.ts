/** Name and password, or a token as password, at one registry. */
export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

/** Whom we ask for artifacts, and how. */
export interface Registries {
  /** By registry, host with port as references write it. Given to nobody but that registry and its token service. */
  readonly credentials?: Readonly<Record<string, RegistryCredentials>>;
  /** Registries that may be asked without TLS; this machine's own addresses always may. */
  readonly insecure?: readonly string[];
  /** Whether `:latest` and references without a tag are fetched. Default false: they mean another thing tomorrow. */
  readonly allowLatest?: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What the variables of wasmCloud and wash say: `OCI_REGISTRY` with `OCI_REGISTRY_USER` and
 * `OCI_REGISTRY_PASSWORD`, `WASMCLOUD_OCI_ALLOWED_INSECURE` (list with commas),
 * `WASMCLOUD_OCI_ALLOW_LATEST`; ours begin with `LATTICE_OCI_` and win. Without `OCI_REGISTRY` nobody gets the
 * password. Source: waPC and actors reference, section 14.
 */
export function registriesFromEnvironment(env: Environment = process.env): Registries {
  const registry = env.OCI_REGISTRY?.replace(/^https?:\/\//, "").replace(/\/$/, "");
  const { OCI_REGISTRY_USER: username, OCI_REGISTRY_PASSWORD: password } = env;
  const insecure = env.LATTICE_OCI_ALLOWED_INSECURE ?? env.WASMCLOUD_OCI_ALLOWED_INSECURE ?? "";
  const latest = env.LATTICE_OCI_ALLOW_LATEST ?? env.WASMCLOUD_OCI_ALLOW_LATEST;
  return {
    ...(registry && username && password !== undefined ? { credentials: { [registry]: { username, password } } } : {}),
    insecure: insecure
      .split(",")
      .map((each) => each.trim())
      .filter(Boolean),
    allowLatest: latest === "true" || latest === "1",
  };
}

/** Addresses that never leave this machine. */
export function isOwnMachine(hostname: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}

/** Whether we may speak to `host` (host with port) without TLS. */
export function mayBePlain(host: string, { insecure = [] }: Registries): boolean {
  return isOwnMachine(new URL(`http://${host}`).hostname) || insecure.includes(host);
}

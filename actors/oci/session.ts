import { fail, failFrom, isLatticeError } from "../../lattice/index.ts";
import { fetchReason } from "../transfer.ts";
import { parseChallenge, type Challenge } from "./challenge.ts";
import type { OciReference } from "./reference.ts";
import { type Registries, type RegistryCredentials, mayBePlain } from "./registries.ts";
import { complaint, shortText } from "./complaint.ts";

const maxRedirects = 5;
/** Names of Docker's own registry, which lives elsewhere. */
const dockerHub = ["docker.io", "index.docker.io"];

/** A good answer. */
export interface Answer {
  readonly headers: Headers;
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * One conversation with one registry about one repository: finds out whether it speaks TLS, answers its
 * challenge, follows its redirects. Name and password go to the registry and the token service it names,
 * the token to the registry alone; a storage service that we are sent to gets neither.
 */
export class RegistrySession {
  readonly #reference: OciReference;
  readonly #registries: Registries;
  readonly #signal: AbortSignal;
  readonly #host: string;
  readonly #credentials: RegistryCredentials | undefined;
  #scheme: "https" | "http" = "https";
  #authorization: string | undefined;

  constructor(reference: OciReference, registries: Registries, signal: AbortSignal) {
    this.#reference = reference;
    this.#registries = registries;
    this.#signal = signal;
    const { registry } = reference;
    this.#host = dockerHub.includes(registry) ? "registry-1.docker.io" : registry;
    const { credentials = {} } = registries;
    this.#credentials = Object.hasOwn(credentials, registry) ? credentials[registry] : undefined;
  }

  /**
   * GET of `path` below the repository, for example `manifests/1.0`. The answer is a good one.
   * @throws LatticeError OCI_UNAUTHORIZED, OCI_ABSENT, OCI_PLAIN_HTTP, FETCH_FAILED.
   */
  async get(path: string, accept: string): Promise<Answer> {
    const hub = this.#host !== this.#reference.registry && !this.#reference.repository.includes("/");
    const repository = hub ? `library/${this.#reference.repository}` : this.#reference.repository;
    const target = `${this.#host}/v2/${repository}/${path}`;
    let response = await this.#first(target, accept);
    if (response.status === 401 && this.#authorization === undefined) {
      const challenge = parseChallenge(response.headers.get("www-authenticate"));
      const said = await complaint(response);
      this.#authorization = await this.#answer(challenge, repository, said);
      response = await this.#follow(new URL(`${this.#scheme}://${target}`), accept);
    }
    if (response.ok && response.body !== null) return { headers: response.headers, body: response.body };
    const said = await complaint(response);
    if (response.status === 401 || response.status === 403) throw this.#unauthorized(said);
    if (response.status === 404) throw fail("OCI_ABSENT", this.#reference.text, said);
    throw fail("FETCH_FAILED", this.#reference.text, `the registry answered ${said}`);
  }

  /** TLS first; where plain HTTP is allowed, that when the other side turns out to speak no TLS. */
  async #first(target: string, accept: string): Promise<Response> {
    try {
      return await this.#follow(new URL(`${this.#scheme}://${target}`), accept);
    } catch (error) {
      if (this.#scheme === "http" || !speaksNoTls(error)) throw this.#lost(error);
      if (!mayBePlain(this.#host, this.#registries)) throw failFrom(error, "OCI_PLAIN_HTTP", this.#host);
      this.#scheme = "http";
      return this.#follow(new URL(`http://${target}`), accept).catch((again: unknown) => {
        throw this.#lost(again);
      });
    }
  }

  async #follow(start: URL, accept: string): Promise<Response> {
    let url = start;
    for (let step = 0; step <= maxRedirects; step++) {
      const own = url.origin === start.origin;
      const response = await fetch(url, {
        redirect: "manual",
        signal: this.#signal,
        headers: {
          accept,
          "accept-encoding": "identity",
          ...(own && this.#authorization !== undefined ? { authorization: this.#authorization } : {}),
        },
      });
      const next = response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
      if (next === null) return response;
      await response.body?.cancel();
      if (!URL.canParse(next, url)) throw this.#redirected("to no address");
      url = new URL(next, url);
      url.username = "";
      url.password = "";
      const allowed = url.protocol === "https:" || (url.protocol === "http:" && mayBePlain(url.host, this.#registries));
      if (!allowed) throw this.#redirected(`to ${url.protocol}//${url.host}, where there is no TLS`);
    }
    throw this.#redirected(`more than ${maxRedirects} times`);
  }

  /** The header for all further requests. */
  async #answer(challenge: Challenge | undefined, repository: string, said: string): Promise<string> {
    if (challenge === undefined) throw this.#unauthorized(said);
    if (challenge.scheme === "bearer") return `Bearer ${await this.#token(challenge, repository)}`;
    if (this.#credentials === undefined) throw this.#unauthorized(said);
    return basic(this.#credentials);
  }

  /** Source: distribution's token authentication; without credentials an anonymous token. */
  async #token(challenge: Challenge & { scheme: "bearer" }, repository: string): Promise<string> {
    if (!URL.canParse(challenge.realm)) throw this.#unauthorized("its token service has no address");
    const realm = new URL(challenge.realm);
    if (realm.protocol !== "https:" && !(realm.protocol === "http:" && mayBePlain(realm.host, this.#registries)))
      throw this.#unauthorized(`its token service ${realm.host} has no TLS`);
    if (challenge.service !== undefined) realm.searchParams.set("service", challenge.service);
    realm.searchParams.set("scope", challenge.scope ?? `repository:${repository}:pull`);
    const headers = this.#credentials === undefined ? {} : { authorization: basic(this.#credentials) };
    try {
      const response = await fetch(realm, { redirect: "error", signal: this.#signal, headers });
      if (!response.ok) throw this.#unauthorized(`its token service answered ${await complaint(response)}`);
      const answer: unknown = JSON.parse(await shortText(response, 64 * 1024));
      const { token, access_token: other } = (answer ?? {}) as { token?: unknown; access_token?: unknown };
      const found = token ?? other;
      if (typeof found !== "string" || !/^[\x21-\x7e]+$/.test(found))
        throw this.#unauthorized("its token service gave no token");
      return found;
    } catch (error) {
      if (isLatticeError(error)) throw error;
      throw failFrom(error, "FETCH_FAILED", this.#reference.text, `token service ${realm.host}: ${fetchReason(error)}`);
    }
  }

  #unauthorized(said: string): Error {
    const who = this.#credentials === undefined ? "nobody in particular" : this.#credentials.username;
    return fail("OCI_UNAUTHORIZED", this.#reference.text, this.#reference.registry, who, said);
  }

  #redirected(where: string): Error {
    return fail("FETCH_FAILED", this.#reference.text, `the registry redirected us ${where}`);
  }

  #lost(error: unknown): unknown {
    if (isLatticeError(error) || this.#signal.aborted) return error;
    return failFrom(error, "FETCH_FAILED", this.#reference.text, fetchReason(error));
  }
}

function basic({ username, password }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** What TLS says of an answer that is none; a plain server may also hang up on the first bytes. */
function speaksNoTls(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return /^(ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)|EPROTO|ECONNRESET|UND_ERR_SOCKET)$/.test(code);
}

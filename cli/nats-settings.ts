import { readFileSync } from "node:fs";
import { Option, type Command } from "commander";
import type { NatsEntry } from "../host/index.ts";
import { describe, fail, failFrom, type NatsOptions } from "../lattice/index.ts";
import { textOption, wholeNumber, type Options } from "./command.ts";
import { setting } from "./context.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Who we are to a NATS server and whom we trust there; a context has the same words without `nats-`. */
export function addNatsLogin(command: Command): void {
  command
    .addOption(new Option("--nats-creds <file>", "credentials for the NATS server, as nsc writes them"))
    .addOption(new Option("--nats-jwt <file>", "user JWT for the NATS server, with --nats-seed"))
    .addOption(new Option("--nats-seed <file>", "seed of the user key for the NATS server"))
    .addOption(new Option("--nats-tls", "refuse a NATS server without TLS"))
    .addOption(new Option("--nats-ca <file>", "authorities that the NATS server's certificate may come from, in PEM"))
    .addOption(new Option("--nats-cert <file>", "certificate of ours for the NATS server, with --nats-key"))
    .addOption(new Option("--nats-key <file>", "key of that certificate"));
}

/** What options say, then `inFile`, then variables and contexts; JWT, seed and credentials file are taken together. */
export function natsLogin(options: Options, inFile: NatsEntry = {}): NatsEntry {
  return over(over(ofSettings(), inFile), ofOptions(options));
}

/** @throws LatticeError NATS_CREDENTIALS for a file that cannot be read. */
export function natsOptions(servers: string, login: NatsEntry): NatsOptions {
  const { creds, jwt, seed, tls, ca, cert, key, domain, replicas } = login;
  const files = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  return {
    servers,
    ...(creds && { credsFile: creds }),
    ...(jwt && { jwt: secretText(jwt, /^eyJ/) }),
    ...(seed && { seed: secretText(seed, /^SU[A-Z2-7]{56}$/) }),
    ...(Object.keys(files).length > 0 ? { tls: files } : tls === true && { tls }),
    ...(domain && { domain }),
    ...(replicas !== undefined && { replicas }),
  };
}

/**
 * The servers that a 0.x host's variables name, by use: calls fall back to control when nothing is said of them, the
 * others to calls. Source: lattice protocol reference, sections 1 and 14.
 */
export function serversOfVariables(env: Environment = process.env): NatsEntry {
  const own = { rpc: ofPrefix("RPC", env), control: ofPrefix("CTL", env), provider: ofPrefix("PROV_RPC", env) };
  const rpc = Object.keys(own.rpc).length > 0 ? own.rpc : own.control;
  return { url: "127.0.0.1:4222", ...rpc, control: over(rpc, own.control), provider: over(rpc, own.provider) };
}

/** `upper` wins; whoever names credentials names all of them. */
export function over(lower: NatsEntry, upper: NatsEntry): NatsEntry {
  const { creds: _creds, jwt: _jwt, seed: _seed, ...rest } = lower;
  return { ...((upper.creds ?? upper.jwt ?? upper.seed) ? rest : lower), ...upper };
}

function ofPrefix(use: string, env: Environment): NatsEntry {
  const value = (name: string) => env[`WASMCLOUD_${use}_${name}`] || undefined;
  const [host, port, jwt, seed] = ["HOST", "PORT", "JWT", "SEED"].map(value);
  const url = host === undefined && port === undefined ? undefined : `${host ?? "127.0.0.1"}:${port ?? 4222}`;
  return {
    ...(url && { url }),
    ...(jwt && { jwt }),
    ...(seed && { seed }),
    ...(isTrue(value("TLS")) && { tls: true }),
  };
}

function ofOptions(options: Options): NatsEntry {
  const creds = ["natsCreds", "creds", "ctlCredsfile"].map((name) => textOption(options, name)).find(Boolean);
  const [jwt, seed] = ["natsJwt", "natsSeed"].map((name) => textOption(options, name));
  if (/^\s*S[A-Z][A-Z2-7]{56}\s*$/.test(seed ?? ""))
    throw fail("USAGE", "--nats-seed takes the file of a seed: a seed on the command line is seen by others");
  const [ca, cert, key, domain] = ["natsCa", "natsCert", "natsKey", "jsDomain"].map((name) =>
    textOption(options, name),
  );
  const replicas = textOption(options, "natsReplicas");
  return {
    ...(creds && { creds }),
    ...(jwt && { jwt }),
    ...(seed && { seed }),
    ...(options.natsTls === true && { tls: true }),
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(domain && { domain }),
    ...(replicas !== undefined && { replicas: wholeNumber(replicas, "--nats-replicas", 1, 5) }),
  };
}

function ofSettings(): NatsEntry {
  const [jwt, seed, ca, cert, key, domain, replicas] = [
    setting("nats_jwt").value,
    setting("nats_seed").value,
    setting("nats_ca").value,
    setting("nats_cert").value,
    setting("nats_key").value,
    setting("js_domain").value,
    setting("nats_replicas").value,
  ];
  // A user JWT in a variable is not put aside by a credentials file in wash's context, nor the other way round.
  const creds = setting("nats_creds");
  const isCreds = creds.value !== "" && (creds.origin.startsWith("$") || seed === "");
  return {
    ...(isCreds ? { creds: creds.value } : { ...(jwt && { jwt }), ...(seed && { seed }) }),
    ...(isTrue(setting("nats_tls").value) && { tls: true }),
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(domain && { domain }),
    ...(replicas && { replicas: wholeNumber(replicas, "$LATTICE_NATS_REPLICAS", 1, 5) }),
  };
}

/** The text itself, as a variable may hold it, or that of the file it names. */
function secretText(text: string, itself: RegExp): string {
  if (itself.test(text.trim())) return text.trim();
  try {
    return readFileSync(text, "utf8").trim();
  } catch (error) {
    // What was meant as a seed is not repeated.
    const name = /^[A-Z2-7]{40,}$/.test(text) ? "a file" : text;
    throw failFrom(error, "NATS_CREDENTIALS", `in ${name}`, describe((error as NodeJS.ErrnoException).code ?? error));
  }
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && /^(1|true|yes|on)$/i.test(text);
}

/** Servers as they may be shown: the password of a URL, or its token, is not. */
export function withoutLogin(servers: string): string {
  return servers.replaceAll(/((?:^|[,\s])(?:[a-z]+:\/\/)?)([^\s,]*)@/gi, (_, before: string, login: string) => {
    const [user = "", password] = login.split(":");
    return `${before}${password === undefined ? "[token]" : `${user}:[password]`}@`;
  });
}

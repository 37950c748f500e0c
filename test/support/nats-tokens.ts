import { createHash } from "node:crypto";
import { KeyPair } from "../../lattice/index.ts";

export interface UserTokens {
  readonly jwt: string;
  readonly seed: string;
  /** As `nsc generate creds` writes it. */
  readonly creds: string;
  /** An operator, its system account and one account, for a server's configuration file. */
  readonly serverConfig: string;
}

/** A user of an account of an operator, all made for one test. Source: NATS JWT library, version 2. */
export function userTokens(): UserTokens {
  const operator = KeyPair.generate("operator");
  const system = KeyPair.generate("account");
  const account = KeyPair.generate("account");
  const user = KeyPair.generate("user");
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const operatorJwt = token(operator, operator.publicKey, "operator", { system_account: system.publicKey });
  const systemJwt = token(operator, system.publicKey, "account", { limits });
  const jetStream = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const accountJwt = token(operator, account.publicKey, "account", { limits: { ...limits, ...jetStream } });
  const jwt = token(account, user.publicKey, "user", { subs: -1, data: -1, payload: -1 });
  const preload = `${system.publicKey}: "${systemJwt}", ${account.publicKey}: "${accountJwt}"`;
  return {
    jwt,
    seed: user.seed,
    creds: [
      "-----BEGIN NATS USER JWT-----",
      jwt,
      "------END NATS USER JWT------",
      "",
      "************************* IMPORTANT *************************",
      "NKEY Seed printed below can be used to sign and prove identity.",
      "",
      "-----BEGIN USER NKEY SEED-----",
      user.seed,
      "------END USER NKEY SEED------",
      "",
    ].join("\n"),
    serverConfig: `operator: "${operatorJwt}"\nsystem_account: ${system.publicKey}\nresolver: MEMORY\nresolver_preload: { ${preload} }`,
  };
}

function token(issuer: KeyPair, subject: string, type: string, nats: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iat: Math.floor(Date.now() / 1_000), iss: issuer.publicKey, name: type, sub: subject };
  const jti = createHash("sha256").update(JSON.stringify(claims)).digest("hex");
  const body = { ...claims, jti, nats: { ...nats, type, version: 2 } };
  const signed = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part(body)}`;
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString("base64url")}`;
}

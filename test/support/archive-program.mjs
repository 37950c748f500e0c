// A provider program of the 0.x years, written from the protocol alone: it shares no code with the host.
// Source: lattice protocol reference, sections 3 and 11; captures of 0.82, sections 7 to 9.
import { createHash, createPrivateKey, createPublicKey, randomUUID, sign, verify } from "node:crypto";
import { appendFileSync, existsSync, statSync } from "node:fs";
import { createInterface } from "node:readline";
import { Packr, Unpackr } from "msgpackr";
import { connect, jwtAuthenticator } from "nats";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
/** Named where it is imported: another contract than its own, and which version this is. */
const named = new URL(import.meta.url).searchParams;
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const line = await new Promise((resolve) => createInterface({ input: process.stdin }).once("line", resolve));
const host = JSON.parse(Buffer.from(line, "base64").toString());
const links = new Map(host.link_definitions.map((link) => [link.actor_id, link]));
const me = {
  public_key: host.provider_key,
  link_name: host.link_name,
  contract_id: named.get("contract") ?? "demo:archive",
};
/** Its configuration may name files: what it has counted, and what makes it say that it is ill, or lets it answer, once it is there. */
const { counts, ill, open } = JSON.parse(host.config_json ?? "{}");
const { lattice_rpc_user_jwt: jwt, lattice_rpc_user_seed: userSeed } = host;
const authenticator = jwt ? { authenticator: jwtAuthenticator(jwt, Buffer.from(userSeed)) } : {};
const connection = await connect({ servers: host.lattice_rpc_url, ...authenticator });
/** The SDK of the time moves what is larger to the object store, and makes that when it is missing. */
const mostInside = 900 * 1024;
const store = () => connection.jetstream().views.os(host.lattice_rpc_prefix);
const base = `wasmbus.rpc.${host.lattice_rpc_prefix}.${host.provider_key}.${host.link_name}`;
process.stdout.write("a line of the program\n");

listen(`${base}.linkdefs.put`, ({ data }) => {
  const link = unpackr.unpack(data);
  if (!links.has(link.actor_id)) links.set(link.actor_id, link);
});
listen(`${base}.linkdefs.del`, ({ data }) => links.delete(unpackr.unpack(data).actor_id));
listen(`${base}.shutdown`, async (message) => {
  if (JSON.parse(message.string()).host_id !== host.host_id) return;
  message.respond("shutting down");
  await connection.drain();
  process.exit(0);
});
listen(base, answer, { queue: "rpc" });
await connection.flush();
listen(`${base}.health`, (message) =>
  message.respond(
    packr.pack(
      ill && existsSync(ill) ? { healthy: false, message: "it is ill" } : { healthy: true, message: "as ever" },
    ),
  ),
);

function listen(subject, handler, options = {}) {
  connection.subscribe(subject, { ...options, callback: (_, message) => void handler(message) });
}

async function answer(message) {
  const invocation = unpackr.unpack(message.data);
  let msg = Buffer.alloc(0);
  let error;
  try {
    invocation.msg = await movedIn(invocation, invocation.id);
    check(invocation);
    if (!links.has(invocation.origin.public_key)) throw new Error("the actor is not linked");
    msg = await run(invocation);
  } catch (problem) {
    error = problem.message;
  }
  message.respond(
    packr.pack({
      msg: await movedOut(msg, `${invocation.id}-r`),
      invocation_id: invocation.id,
      ...(error && { error }),
      content_length: msg.length,
      traceContext: {},
    }),
  );
}

async function movedIn({ msg, content_length: bytes }, name) {
  if (bytes <= mostInside || bytes <= msg.length) return msg;
  const bucket = await store();
  const found = await bucket.getBlob(name);
  if (!found) throw new Error(`no ${name} in the object store`);
  await bucket.delete(name);
  return Buffer.from(found);
}

async function movedOut(msg, name) {
  if (msg.length <= mostInside) return msg;
  await (await store()).putBlob({ name }, msg);
  return Buffer.alloc(0);
}

async function run({ operation, msg, origin }) {
  switch (operation) {
    case "Echo":
      return msg;
    case "Values":
      return Buffer.from(JSON.stringify(links.get(origin.public_key).values));
    case "About":
      return Buffer.from(
        JSON.stringify({ host, environment: process.env, arguments: process.argv.slice(2), program: process.argv[1] }),
      );
    case "AskLarge":
      return Buffer.from(String((await ask(origin.public_key, "Echo", Buffer.alloc(1_500_000, 7))).length));
    case "Ask":
      return ask(origin.public_key, "Echo", Buffer.from(msg));
    case "AskStranger":
      return ask(Buffer.from(msg).toString(), "Echo", Buffer.from("hello"));
    case "Version":
      return Buffer.from(named.get("version"));
    case "KeyValue.Increment":
      // One byte for each, whoever runs it.
      appendFileSync(counts, ".");
      return packr.pack(statSync(counts).size);
    case "Wait":
      while (!existsSync(open)) await new Promise((resolve) => setTimeout(resolve, 10));
      return Buffer.from(named.get("version"));
    case "Exit":
      return process.exit(5);
    case "Spin":
      for (;;);
    default:
      throw new Error(`no operation ${operation}`);
  }
}

async function ask(actor, operation, msg) {
  const target = { public_key: actor, link_name: "", contract_id: "" };
  const id = randomUUID().replaceAll("-", "");
  const wascap = {
    target_url: `${url(target)}/${operation}`,
    origin_url: url(me),
    hash: hash(me, target, operation, msg),
  };
  const seed = decode(host.invocation_seed);
  const issuer = encode(
    Buffer.concat([Buffer.from([((seed[0] & 7) << 5) | (seed[1] >> 3)]), publicOf(seed.subarray(2, 34))]),
  );
  const body = { jti: id, iat: Math.floor(Date.now() / 1000), iss: issuer, sub: id, wascap, wascap_revision: 3 };
  const signed = [{ typ: "jwt", alg: "Ed25519" }, body]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  const signature = sign(null, Buffer.from(signed), privateOf(seed.subarray(2, 34))).toString("base64url");
  const invocation = {
    origin: me,
    target,
    operation,
    msg: await movedOut(msg, id),
    id,
    encoded_claims: `${signed}.${signature}`,
    host_id: host.host_id,
    content_length: msg.length,
    traceContext: {},
  };
  const subject = `wasmbus.rpc.${host.lattice_rpc_prefix}.${actor}`;
  const reply = await connection.request(subject, packr.pack(invocation), { timeout: 10_000 });
  const answer = unpackr.unpack(reply.data);
  if (answer.error) throw new Error(answer.error);
  return Buffer.from(await movedIn(answer, `${id}-r`));
}

/** As the SDK of the time: signature, issuer and hash of what comes. */
function check({ origin, target, operation, msg, encoded_claims: token }) {
  const [head, body, signature] = token.split(".");
  const claims = JSON.parse(Buffer.from(body, "base64url").toString());
  if (!host.cluster_issuers.includes(claims.iss)) throw new Error("a foreign issuer");
  const key = decode(claims.iss).subarray(1, 33);
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), key]);
  const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" });
  if (!verify(null, Buffer.from(`${head}.${body}`), publicKey, Buffer.from(signature, "base64url")))
    throw new Error("a bad signature");
  if (claims.wascap.hash !== hash(origin, target, operation, msg)) throw new Error("a bad hash");
}

/** Source: lattice protocol reference, section 3.2. */
function hash(origin, target, operation, msg) {
  const sum = createHash("sha256")
    .update(url(origin))
    .update(`${url(target)}/${operation}`)
    .update(operation);
  return sum.update(msg).digest("hex").toUpperCase();
}

function url({ public_key: key, link_name: name, contract_id: contract }) {
  if (key.startsWith("M")) return `wasmbus://${key}`;
  return `wasmbus://${contract.replaceAll(":", "/").replaceAll(" ", "_").toLowerCase()}/${name.replaceAll(" ", "_").toLowerCase()}/${key}`;
}

function privateOf(raw) {
  const key = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), raw]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

function publicOf(raw) {
  return createPublicKey(privateOf(raw)).export({ format: "der", type: "spki" }).subarray(-32);
}

function decode(text) {
  let bits = "";
  for (const letter of text) bits += alphabet.indexOf(letter).toString(2).padStart(5, "0");
  return Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
}

/** With the checksum of nkeys behind. */
function encode(bytes) {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : crc << 1;
  }
  let bits = "";
  for (const byte of Buffer.concat([bytes, Buffer.from([crc & 255, crc >> 8])]))
    bits += byte.toString(2).padStart(8, "0");
  return bits
    .match(/.{1,5}/g)
    .map((group) => alphabet[Number.parseInt(group.padEnd(5, "0"), 2)])
    .join("");
}

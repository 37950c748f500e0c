import { actorEntity, encodeInvocation, InvocationSigner, isActorEntity, KeyPair } from "../../lattice/index.ts";
import { encodeToken, pack, SessionIdentity } from "../../lattice/index.ts";
import type { MsgpackValue, WireEntity, WireInvocation } from "../../lattice/index.ts";
import { Dice } from "./dice.ts";
import { brokenJson, deepJson, wrongTypes } from "./hostile-json.ts";
import { encodeOpen } from "../../lattice/rpc/session/session-frames.ts";

/**
 * Messages that no good peer sends, endless and the same for the same seed: for every subject that is
 * listened to. None of them may change anything or end anything; each has to be refused.
 */
export interface HostileMessage {
  /** What is wrong with it, for counting. */
  readonly family: HostileFamily;
  readonly payload: Uint8Array;
}

export interface HostileOptions {
  readonly seed: number;
  /** Who is attacked; invocations are addressed to it. */
  readonly target: WireEntity;
  readonly lattice: string;
  /** The cluster key that the host under attack accepts: for invocations of which only one thing is wrong. */
  readonly cluster: KeyPair;
  /** Messages that were taken before, byte for byte; they are sent again. */
  readonly recorded?: readonly Uint8Array[];
}

export const hostileFamilies = [
  "random bytes",
  "wrong types",
  "deep JSON",
  "broken JSON",
  "deep MessagePack",
  "huge lengths",
  "random MessagePack",
  "forged host id",
  "foreign issuer",
  "expired token",
  "future token",
  "altered invocation",
  "random frame",
  "foreign hello",
  "expired hello",
  "hello of another lattice",
  "replay",
] as const;
export type HostileFamily = (typeof hostileFamilies)[number];

/** @yields messages of all families in turn; replays only when something was recorded. */
export function* hostileMessages(options: HostileOptions): Generator<HostileMessage, never, undefined> {
  const dice = new Dice(options.seed);
  const make = new HostileMaker(options, dice);
  const families = hostileFamilies.filter((family) => family !== "replay" || (options.recorded?.length ?? 0) > 0);
  for (let turn = 0; ; turn++) {
    const family = families[turn % families.length]!;
    yield { family, payload: make.message(family) };
  }
}

const N = "NC576YLEWAHEY2RSTJF6JVA5CJU3XNQLK5K5CYEL4RSVUE472Q2BXGAL";
const hour = 3_600;

class HostileMaker {
  readonly #options: HostileOptions;
  readonly #dice: Dice;
  readonly #foreign = KeyPair.generate("cluster");
  readonly #stranger = KeyPair.generate("server");

  constructor(options: HostileOptions, dice: Dice) {
    this.#options = options;
    this.#dice = dice;
  }

  message(family: HostileFamily): Uint8Array {
    const dice = this.#dice;
    switch (family) {
      case "random bytes":
        return dice.bytes(dice.pick([0, 1, 2, 7, 64, 300, 5_000]));
      case "wrong types":
        return wrongTypes(dice);
      case "deep JSON":
        return deepJson(dice);
      case "broken JSON":
        return brokenJson(dice);
      case "deep MessagePack":
        return new Uint8Array(50_000).fill(dice.pick([0x91, 0x81, 0x9f, 0xdd]));
      case "huge lengths":
        return this.#hugeLengths();
      case "random MessagePack":
        return pack(this.#value(0));
      case "forged host id":
        return encodeInvocation({
          ...this.#sign(),
          hostId: dice.pick(["", "x", "N".repeat(57), this.#options.target.publicKey]),
        });
      case "foreign issuer":
        return encodeInvocation(this.#sign(this.#foreign));
      case "expired token":
        return encodeInvocation(this.#dated(-hour, dice.pick([-1, -hour + 1, undefined])));
      case "future token":
        return encodeInvocation(this.#dated(dice.pick([0, hour, 10 * hour]), 20 * hour, hour));
      case "altered invocation":
        return encodeInvocation(this.#altered());
      case "random frame":
        return Buffer.concat([Buffer.of(0xc1, dice.below(8)), dice.bytes(dice.below(400))]);
      case "foreign hello":
        return this.#open(this.#foreign, Date.now() / 1_000);
      case "expired hello":
        return this.#open(this.#options.cluster, Date.now() / 1_000 - 48 * hour);
      case "hello of another lattice":
        return this.#open(this.#options.cluster, Date.now() / 1_000, `${this.#options.lattice}s`);
      case "replay":
        return dice.pick(this.#options.recorded ?? []);
      default:
        return family satisfies never;
    }
  }

  /** A good invocation, but for who signs it. */
  #sign(cluster = this.#options.cluster): WireInvocation {
    const { target } = this.#options;
    const origin = actorEntity(KeyPair.generate("module").publicKey);
    const payload = this.#dice.bytes(this.#dice.below(100));
    return new InvocationSigner(cluster, N).sign({ origin, target, operation: "Hostile.Operation", payload });
  }

  /** Signed truly, with other dates, in seconds from now. */
  #dated(issued: number, expires: number | undefined, notBefore?: number): WireInvocation {
    const signed = this.#sign();
    const now = Math.floor(Date.now() / 1_000);
    const [, body = ""] = signed.token.split(".");
    const { wascap } = JSON.parse(Buffer.from(body, "base64url").toString()) as { wascap: Record<string, unknown> };
    const token = encodeToken(
      {
        subject: signed.id,
        metadata: wascap,
        issuedAt: now + issued,
        ...(expires === undefined ? {} : { expiresAt: now + expires }),
        ...(notBefore === undefined ? {} : { notBefore: now + notBefore }),
      },
      this.#options.cluster,
    );
    return { ...signed, token };
  }

  /** One member changed after it was signed. */
  #altered(): WireInvocation {
    const signed = this.#sign();
    const { target } = signed;
    const [header = "", body = ""] = signed.token.split(".");
    return this.#dice.pick<() => WireInvocation>([
      () => ({ ...signed, payload: this.#dice.bytes(101) }),
      () => ({ ...signed, operation: "Other.Operation" }),
      () => ({ ...signed, origin: actorEntity(KeyPair.generate("module").publicKey) }),
      () => ({ ...signed, id: "00000000000000000000000000000000" }),
      () => ({ ...signed, contentLength: 0xffff_ffff }),
      () => ({ ...signed, token: "" }),
      () => ({ ...signed, token: `${header}.${body}.${Buffer.alloc(64).toString("base64url")}` }),
      () => ({ ...signed, token: `${Buffer.from('{"typ":"jwt","alg":"none"}').toString("base64url")}.${body}.` }),
      () => ({ ...signed, target: { ...target, publicKey: KeyPair.generate("module").publicKey } }),
      () =>
        isActorEntity(target) ? { ...signed, token: "a.b.c" } : { ...signed, target: { ...target, linkName: "x" } },
    ])();
  }

  #hugeLengths(): Uint8Array {
    const marker = this.#dice.pick([0xc6, 0xdb, 0xdd, 0xdf, 0xc9]);
    const beginning = this.#dice.pick(["", "89a66f726967696e", "89a36d7367", "84a36d7367"]);
    return Buffer.concat([
      Buffer.from(beginning, "hex"),
      Buffer.of(marker, 0xff, 0xff, 0xff, 0xff),
      this.#dice.bytes(40),
    ]);
  }

  #value(depth: number): MsgpackValue {
    const dice = this.#dice;
    const names = ["origin", "target", "operation", "msg", "id", "encoded_claims", "host_id", "content_length", "x"];
    const turn = dice.below(depth > 3 ? 5 : 7);
    if (turn === 0) return null;
    if (turn === 1) return dice.below(2 ** 32);
    if (turn === 2) return dice.pick(["", "M", "x".repeat(300), "\u0000"]);
    if (turn === 3) return dice.bytes(dice.below(20));
    if (turn === 4) return -dice.next();
    if (turn === 5) return Array.from({ length: dice.below(5) }, () => this.#value(depth + 1));
    return Object.fromEntries(names.filter(() => dice.below(3) > 0).map((name) => [name, this.#value(depth + 1)]));
  }

  #open(cluster: KeyPair, nowSeconds: number, lattice = this.#options.lattice): Uint8Array {
    const host = this.#stranger;
    const identity = SessionIdentity.create({ lattice, host, cluster, rpc: "session" });
    const from = { host: identity.host, place: "0" };
    return encodeOpen({ from, challenge: this.#dice.bytes(8), hello: identity.hello(nowSeconds) });
  }
}

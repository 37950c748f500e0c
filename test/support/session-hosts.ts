import { Hellos } from "../../lattice/rpc/session/hellos.ts";
import { LargePayloads } from "../../lattice/rpc/large-payloads.ts";
import { tell } from "../../lattice/asker.ts";
import { MemoryBroker } from "../../lattice/memory-bus.ts";
import { KeyPair } from "../../lattice/nkeys.ts";
import { SessionCaller } from "../../lattice/rpc/session/session-caller.ts";
import { SessionIdentity } from "../../lattice/rpc/session/session-identity.ts";
import { SessionReceiver } from "../../lattice/rpc/session/session-receiver.ts";
import type { ProvenCall, SessionRefusal } from "../../lattice/rpc/session/session-receiver.ts";
import { Subjects } from "../../lattice/subjects.ts";
import type { Bus, BusMessage } from "../../lattice/bus.ts";
import { ShelfBlobs } from "./shelf-blobs.ts";

export const lattice = "shop";
export const cluster = KeyPair.generate("cluster");

export interface World {
  readonly broker: MemoryBroker;
  readonly blobs: ShelfBlobs;
  readonly subjects: Subjects;
}

export function world(): World {
  return { broker: new MemoryBroker(), blobs: new ShelfBlobs(), subjects: new Subjects(lattice) };
}

export interface SessionHostOptions {
  readonly host?: KeyPair;
  readonly cluster?: KeyPair;
  readonly issuers?: readonly string[];
  readonly identity?: SessionIdentity;
  readonly place?: string;
  readonly handle?: (call: ProvenCall) => Uint8Array | Promise<Uint8Array>;
}

/** One place of one host on a world's bus, that calls and is called. */
export class SessionHost {
  readonly identity: SessionIdentity;
  readonly hellos: Hellos;
  readonly caller: SessionCaller;
  readonly receiver: SessionReceiver;
  readonly bus: Bus;
  readonly end: { readonly host: string; readonly place: string };
  readonly ran: ProvenCall[] = [];
  readonly refused: SessionRefusal[] = [];

  constructor({ broker, blobs, subjects }: World, options: SessionHostOptions = {}) {
    const vouching = options.cluster ?? cluster;
    const host = options.host ?? KeyPair.generate("server");
    const place = options.place ?? "0";
    this.bus = broker.connect();
    this.identity = options.identity ?? SessionIdentity.create({ lattice, host, cluster: vouching, rpc: "session" });
    this.end = { host: this.identity.host, place };
    this.hellos = new Hellos({ lattice, issuers: options.issuers ?? [vouching.publicKey], rpc: "session" });
    const payloads = new LargePayloads(blobs);
    const { identity, hellos, bus } = this;
    this.caller = new SessionCaller({ identity, hellos, bus, subjects, place, payloads });
    this.receiver = new SessionReceiver({
      identity,
      hellos,
      place,
      payloads,
      maxPayloadBytes: () => bus.maxPayloadBytes,
      handle: (call, asker) => {
        this.ran.push(call);
        const answer = options.handle?.(call) ?? call.payload;
        if (answer instanceof Uint8Array) asker.answered(answer);
        else tell(answer, asker);
      },
      onRefused: (why) => void this.refused.push(why),
    });
    bus.subscribe(subjects.write("directed", this.end), (message: BusMessage) => void this.receiver.receive(message));
  }
}

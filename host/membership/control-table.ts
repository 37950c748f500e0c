import { fail, JsonFields, type ParsedSubject, type SubjectKind } from "../../lattice/index.ts";
import { type Inventory, inventory } from "../inventory.ts";
import { accepted, type Ack, refused } from "./acks.ts";
import { bidForActor, bidForProvider } from "./auctions.ts";
import { commands } from "./commands.ts";
import { clearConfig, deleteConfig, getAllConfig, getConfig, putConfig } from "./configuration.ts";
import type { Desk } from "./desk.ts";
import { hostAnswer, linkAnswer } from "./answers.ts";
import { putRegistries } from "./registries.ts";
import { inventoryAsIn82 } from "./short-inventories.ts";

/** One subject of the control interface and what answers it. */
export interface ControlRow<K extends SubjectKind> {
  /** Whether it changes anything; then a host that is only to be read refuses it. */
  readonly changes: boolean;
  /** Undefined: this host stays silent. What it throws becomes a refusal. */
  answer(desk: Desk, subject: Extract<ParsedSubject, { kind: K }>, payload: Uint8Array): Answer;
  /** The same answer with less in it, for when it is over the server's limit. */
  readonly shorter?: (answer: object) => object;
}

type Answer = object | undefined | Promise<object | undefined>;
type ControlTable = { readonly [K in SubjectKind]?: ControlRow<K> };

/**
 * The control interface of the 0.x years, subject by subject, in both dialects (OTP and 0.82). Every
 * row calls the verbs that the library and the control socket call.
 * Source: lattice protocol reference, section 6; captures of 0.82, sections 2 to 4.
 */
export const controlTable = {
  pingHosts: { changes: false, answer: (desk) => hostAnswer(desk) },
  getInventory: {
    changes: false,
    answer: ({ host }) => inventory(host),
    shorter: (whole) => inventoryAsIn82(whole as Inventory),
  },
  getClaims: {
    changes: false,
    answer: async ({ claims }) => ({ claims: await claims.list() }),
    shorter: (whole) => ({ claims: (whole as { claims: object[] }).claims.map(withoutSchema) }),
  },
  getLinks: { changes: false, answer: (desk) => linkAnswer(desk) },
  putLink: {
    changes: true,
    answer: async ({ host }, _subject, payload) => {
      const request = JsonFields.parse(payload, "linkdefs.put");
      const linkName = request.textOr("link_name", "default");
      await host.link(request.text("actor_id"), request.text("provider_id"), {
        linkName,
        contractId: request.text("contract_id"),
        values: request.texts("values"),
      });
      return accepted;
    },
  },
  deleteLink: {
    changes: true,
    answer: async ({ host }, _subject, payload) => {
      const request = JsonFields.parse(payload, "linkdefs.del");
      const contractId = request.text("contract_id");
      await host.unlink(request.text("actor_id"), contractId, request.textOr("link_name", "default"));
      return accepted;
    },
  },
  putRegistries: { changes: true, answer: (desk, _subject, payload) => putRegistries(desk, payload) },
  auctionActor: {
    changes: false,
    answer: (desk, _subject, payload) => bidForActor(desk, JsonFields.parse(payload, "auction.actor")),
  },
  auctionProvider: {
    changes: false,
    answer: (desk, _subject, payload) => bidForProvider(desk, JsonFields.parse(payload, "auction.provider")),
  },
  command: {
    changes: true,
    answer: (desk, { command }, payload): Answer => {
      const work = Object.hasOwn(commands, command) ? commands[command] : undefined;
      if (work) return work(desk, payload);
      desk.refusals.count(fail("VERB_UNKNOWN", command));
      return unsupported;
    },
  },
  putLabel: {
    changes: true,
    answer: ({ host }, _subject, payload) => {
      const request = JsonFields.parse(payload, "labels.put");
      host.labels.put(request.text("key"), request.textOr("value", ""));
      return accepted;
    },
  },
  deleteLabel: {
    changes: true,
    answer: ({ host }, _subject, payload) => {
      host.labels.delete(JsonFields.parse(payload, "labels.del").text("key"));
      return accepted;
    },
  },
  putConfig: { changes: true, answer: putConfig },
  deleteConfig: { changes: true, answer: deleteConfig },
  deleteAllConfig: { changes: true, answer: clearConfig },
  clearConfig: { changes: true, answer: clearConfig },
  getConfig: { changes: false, answer: getConfig },
  getAllConfig: { changes: false, answer: getAllConfig },
} as const satisfies ControlTable;

function withoutSchema(row: object): object {
  return { ...row, ...("config_schema" in row ? { config_schema: "" } : {}) };
}

/** Source: captures of 0.82, section 3. */
export const unsupported: Ack = refused("unsupported subject");

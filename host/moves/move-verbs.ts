import type { LinkSpec } from "../engine-messages.ts";
import type { Host } from "../host.ts";
import { fail } from "../../lattice/index.ts";
import { bytes, flag, json, listOf, oneOf, optional, text, textMap, wholeNumber } from "../parameters.ts";
import type { ProviderQuestion } from "../provider-questions.ts";
import { type Verbs, verb } from "../verb-table.ts";

const id = text({ max: 64 });
const mostLinks = 10_000;
/** As a message can carry at most. */
const mostPiece = 1024 * 1024;
const asked = ["health", "figures", "idle", "stores", "count"] as const;

/**
 * What a host that a provider leaves asks of the one that it goes to, step by step. People ask `swap`.
 * Every step may come twice but those with pieces.
 */
export function moveVerbs(host: Host): Verbs {
  const { guests } = host.swaps;
  const step = "A step of a swap to this host, asked by the host that the provider leaves: ";
  return {
    "move.stage": verb({
      name: "move.stage",
      summary: `${step}the new one starts, opens the links and is well.`,
      params: {
        id,
        from: text({ max: 64 }),
        name: text({ max: 1_024 }),
        key: text({ max: 1_024 }),
        contractId: text({ max: 256 }),
        linkName: text({ max: 256 }),
        reference: text({ max: 4_096 }),
        config: textMap(),
        annotations: textMap(),
        links: listOf(json(), mostLinks),
      },
      run: async ({ links, ...request }) => {
        const archive = await host.archiveOf(request.reference, request.contractId);
        const read = links.map((link) => readLinkSpec(link, request.key));
        const guest = await guests.stage({ ...request, ...(archive ? { archive } : {}), links: read });
        const { spec, reference } = guest.record;
        const { key, name, contractId } = spec;
        return { provider: { id: key, name, contract_id: contractId, reference, instance: spec.id } };
      },
    }),
    "move.ask": verb({
      name: "move.ask",
      summary: `${step}something is asked of the new one.`,
      params: { id, question: json() },
      run: async ({ id: swap, question }) => {
        const guest = guests.get(swap);
        return { answers: await guest.ask(readQuestion(question, guest.record.spec.id)) };
      },
    }),
    "move.import": verb({
      name: "move.import",
      summary: `${step}entries for its store, in pieces.`,
      params: { id, link: text({ min: 0, max: 1_024 }), piece: bytes(mostPiece), last: flag() },
      run: async ({ id: swap, link, piece, last }) => ({ count: await guests.get(swap).import(link, piece, last) }),
    }),
    "move.export": verb({
      name: "move.export",
      summary: `${step}the entries of its store, in pieces.`,
      params: { id, link: text({ min: 0, max: 1_024 }), exportId: text({ max: 64 }), end: flag() },
      run: async ({ id: swap, link, exportId, end }) => {
        const most = guests.hosts?.pieceBytes ?? mostPiece;
        const { piece, ...rest } = await guests.get(swap).export(link, exportId, most, end);
        return { piece: Buffer.from(piece).toString("base64"), ...rest };
      },
    }),
    "move.take": verb({
      name: "move.take",
      summary: `${step}the new one serves from now on.`,
      params: { id, tolerated: optional(text({ max: 32 })) },
      run: async ({ id: swap, tolerated }) => {
        await guests.take(swap, tolerated === undefined ? undefined : Number(tolerated));
        return {};
      },
    }),
    "move.look": verb({
      name: "move.look",
      summary: `${step}how the new one does.`,
      params: { id },
      run: async ({ id: swap }) => {
        const guest = guests.get(swap);
        const { id: provider } = guest.record.spec;
        const [health, figures] = [
          await guest.ask({ type: "health", id: provider }),
          await guest.ask({ type: "figures", id: provider }),
        ];
        const { failure, settled } = guest;
        return { health, figures, settled, ...(failure === undefined ? {} : { failure }) };
      },
    }),
    "move.hold": verb({
      name: "move.hold",
      summary: `${step}calls to the new one wait.`,
      params: { id },
      run: async ({ id: swap }) => {
        await guests.get(swap).hold();
        return {};
      },
    }),
    "move.end": verb({
      name: "move.end",
      summary: `${step}it is over, and the old one or the new one stands.`,
      params: { id, verdict: oneOf("old", "new"), drainMs: wholeNumber(0, 3_600_000) },
      run: async ({ id: swap, verdict, drainMs }) => {
        await guests.end(swap, verdict, drainMs);
        return {};
      },
    }),
    "move.verdict": verb({
      name: "move.verdict",
      summary: "Who stands after a swap between two hosts, for the one that was cut off: old, new, open or unknown.",
      reads: true,
      params: { id },
      run: async ({ id: swap }) => ({ stands: host.swaps.verdict(swap) }),
    }),
    "move.seen": verb({
      name: "move.seen",
      summary: "Whether every engine of this host sends calls for a provider to the host that it went to.",
      reads: true,
      params: {
        key: text({ max: 1_024 }),
        linkName: text({ max: 256 }),
        host: text({ max: 64 }),
        links: listOf(text({ max: 1_024 }), mostLinks),
      },
      run: async ({ links, ...way }) => ({ seen: host.knowsWay(way, links) }),
    }),
  };
}

function readLinkSpec(value: unknown, provider: string): LinkSpec {
  const {
    id: link,
    actor,
    contractId,
    linkName,
    values,
    config = [],
    providerLinkName,
  } = (value ?? {}) as Record<string, unknown>;
  const configs: readonly unknown[] = Array.isArray(config) ? config : [undefined];
  const texts = [link, actor, contractId, linkName, ...configs];
  const fields = Object.values(values ?? {});
  if (
    !texts.every((each) => typeof each === "string") ||
    typeof values !== "object" ||
    !fields.every((each) => typeof each === "string") ||
    (providerLinkName !== undefined && typeof providerLinkName !== "string")
  )
    throw fail("REQUEST_INVALID", "move.stage", "a link lacks a member or has a wrong one");
  const [id, who, contract, name] = texts as [string, string, string, string];
  return {
    id,
    actor: who,
    provider,
    contractId: contract,
    linkName: name,
    values: values as Record<string, string>,
    ...(configs.length > 0 ? { config: configs as string[] } : {}),
    ...(providerLinkName === undefined ? {} : { providerLinkName }),
    revision: 0,
  };
}

function readQuestion(value: unknown, id: string): ProviderQuestion {
  const { type, link, withinMs } = (value ?? {}) as Record<string, unknown>;
  const known = asked.find((each) => each === type);
  if (known === "count" && typeof link === "string") return { type: known, id, link };
  if (known === "idle" && typeof withinMs === "number") return { type: known, id, withinMs };
  if (known === "health" || known === "figures" || known === "stores") return { type: known, id };
  throw fail("REQUEST_INVALID", "move.ask", `question must be one of ${asked.join(", ")}, with its members`);
}

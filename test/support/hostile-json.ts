import type { Dice } from "./dice.ts";

/** Values that a member of a request should never have, or should have in small only. */
const odd: readonly ((dice: Dice) => unknown)[] = [
  () => null,
  () => true,
  () => -1,
  () => 1e308,
  () => 2 ** 53,
  () => 0.5,
  () => "",
  () => [],
  () => {},
  () => [[[[]]]],
  () => ({ toString: 1, constructor: "x", length: -1 }),
  () => "x".repeat(70_000),
  () => "\u0000\u001b[2J\u202e\r\n",
  () => "*.>",
  () => "../../etc/passwd",
  (dice) => Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`k${index}`, dice.below(9)])),
  (dice) => Array.from({ length: 1_000 }, () => dice.below(99)),
];

/**
 * Requests of the shapes that the control interface knows; keys and references name nothing that runs.
 * Labels and configuration are left out: there any text is a good one.
 */
const requests: readonly Readonly<Record<string, unknown>>[] = [
  { actor_ref: "127.0.0.1:1/none:1", count: 1, annotations: { a: "b" }, host_id: "N" },
  { actor_id: "M", actor_ref: "127.0.0.1:1/none:1", count: 1 },
  { actor_id: "M", new_actor_ref: "127.0.0.1:1/none:1", annotations: {} },
  {
    provider_ref: "127.0.0.1:1/none:1",
    link_name: "default",
    contract_id: "a:b",
    configuration: "{}",
    annotations: {},
  },
  { actor_id: "M", provider_id: "V", link_name: "default", contract_id: "a:b", values: { a: "b" } },
  { actor_ref: "127.0.0.1:1/none:1", constraints: { zone: "nowhere" } },
  { provider_ref: "127.0.0.1:1/none:1", link_name: "default", constraints: { zone: "nowhere" } },
  { "registry.example": 7 },
  { host_id: "N", timeout: -5 },
];

/** JSON that no client means: a request with members of wrong types, missing or doubled. */
export function wrongTypes(dice: Dice): Uint8Array {
  const request: Record<string, unknown> = { ...dice.pick(requests) };
  for (const name of Object.keys(request)) {
    const turn = dice.below(4);
    if (turn === 0) delete request[name];
    else if (turn < 3) request[name] = dice.pick(odd)(dice);
  }
  // At least one member is wrong, else the message could be a good one.
  request[dice.pick(Object.keys(dice.pick(requests)))] = dice.pick(odd)(dice);
  const text = JSON.stringify(request);
  return Buffer.from(dice.below(5) === 0 ? `{"__proto__":{"accepted":true},${text.slice(1)}` : text);
}

/** JSON as deep as a parser would have to go. */
export function deepJson(dice: Dice): Uint8Array {
  const depth = 1_000 + dice.below(200_000);
  const [open, close] = dice.pick([
    ["[", "]"],
    ['{"annotations":', "}"],
  ] as const);
  return Buffer.from(open.repeat(depth) + (open === "[" ? "" : "1") + (dice.below(2) ? close.repeat(depth) : ""));
}

/** Text that only begins as JSON. */
export function brokenJson(dice: Dice): Uint8Array {
  const whole = JSON.stringify(dice.pick(requests));
  const cut = whole.slice(0, 1 + dice.below(whole.length - 1));
  return dice.below(2) ? Buffer.from(cut) : Buffer.concat([Buffer.from(cut), dice.bytes(9)]);
}

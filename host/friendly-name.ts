import { createHash, randomBytes } from "node:crypto";

const adjectives =
  `amber ancient autumn azure bold brave breezy bright calm careful cheerful clever cosy crisp curious dapper daring dawn
  deep eager early easy fair fearless floral fluent frosty gentle glad golden graceful grand green happy hazel hidden
  honest humble icy jolly keen kind late lively long lucky lunar mellow merry mild misty modest mossy nimble noble
  open patient plain polar polite proud quick quiet rapid ready restless rosy rural silent silver simple sleepy smooth
  snowy soft solar steady still sunny swift tidy tranquil twilight vivid warm wild winter wise witty young`.split(
    /\s+/,
  );

const nouns =
  `acorn alder badger beacon birch breeze brook canyon cedar cloud comet coral cove crane creek dale delta dune eagle
  elm ember falcon fern field finch fjord forest fox garden glacier glade grove harbor hare hawk hazel heron hill
  island ivy juniper lake lark leaf linden lynx maple marsh meadow mesa moon moss oak ocean orchid otter owl peak
  pebble pine planet plover pond prairie rain raven reef ridge river robin sage shore sky snow sparrow spruce star
  stone stream summit sun swan thistle thrush tide trail tulip valley violet wave willow wind wolf wren`.split(/\s+/);

/**
 * A name that people can say, such as `calm-otter-1234`. The same `key` always gives the same name,
 * so that a host with a stored seed keeps it; without one the name is drawn.
 */
export function friendlyName(key?: string): string {
  const digest = key === undefined ? randomBytes(32) : createHash("sha256").update(key).digest();
  const adjective = adjectives[digest.readUInt32LE(0) % adjectives.length];
  const noun = nouns[digest.readUInt32LE(4) % nouns.length];
  return `${adjective}-${noun}-${String(digest.readUInt32LE(8) % 10_000).padStart(4, "0")}`;
}

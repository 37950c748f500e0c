/*
 * A portable capability provider of waSCC for the contract wascc:wasidemo, older than BindActor:
 * `DoCustomThing {super_secret}` answers `{reply_value}`, ten times as much; `Configure {module, values}`
 * answers nil; it knows no descriptor. It uses WASI as the real one did.
 */
#include "guest.h"

IMPORT("wasi_snapshot_preview1", "random_get") int random_get(byte *to, size length);
IMPORT("wasi_snapshot_preview1", "fd_write") int fd_write(int fd, const struct bytes *parts, size count, size *written);

/* The integer after the key super_secret in a map of one entry; MessagePack integers of up to 32 bits. */
static int secret(struct bytes payload, int *value) {
  const byte *at = payload.start, *end = at + payload.length;
  struct bytes key = {at + 2, 12};
  if (end - at < 15 || *at != 0x81 || at[1] != 0xac || !is(key, "super_secret")) return 0;
  at += 14;
  byte tag = *at++;
  size bytes = tag == 0xcc || tag == 0xd0 ? 1 : tag == 0xcd || tag == 0xd1 ? 2 : tag == 0xce || tag == 0xd2 ? 4 : 0;
  if (!bytes) return *value = (signed char)tag, tag < 0x80 || tag >= 0xe0;
  if ((size)(end - at) < bytes) return 0;
  *value = tag >= 0xd0 && *at >= 0x80 ? -1 : 0;
  while (bytes--) *value = (int)((size)*value << 8 | *at++);
  return 1;
}

static int do_custom_thing(struct bytes payload) {
  int value;
  if (!secret(payload, &value)) return fail((struct bytes){(const byte *)"no super_secret in it", 21});
  byte seed[4];
  if (random_get(seed, 4)) return fail((struct bytes){(const byte *)"no random bytes", 15});
  byte *reply = allocate(18), *at = append_text(reply, "\x81\xabreply_value\xd2");
  for (int shift = 24; shift >= 0; shift -= 8) *at++ = (byte)((size)value * 10 >> shift);
  return respond((struct bytes){reply, at - reply});
}

static int configure(void) {
  static const struct bytes text = {(const byte *)"configured\n", 11};
  size written;
  if (fd_write(1, &text, 1, &written) || written != 11) return fail((struct bytes){(const byte *)"no output", 9});
  return respond((struct bytes){(const byte *)"\xc0", 1});
}

__attribute__((export_name("__guest_call"))) int guest_call(size operation_length, size payload_length) {
  arena = &__heap_base;
  struct bytes operation = {allocate(operation_length), operation_length};
  struct bytes payload = {allocate(payload_length), payload_length};
  guest_request((byte *)operation.start, (byte *)payload.start);
  if (is(operation, "DoCustomThing")) return do_custom_thing(payload);
  if (is(operation, "Configure")) return configure();
  return fail((struct bytes){(const byte *)"Guest call failed: bad dispatch", 31});
}

/*
 * The edges of the waPC rules, one operation each:
 *
 * Echo         the payload back                     Silent       1 without a reply
 * Fail         the payload as error, then 0         FailOne      the payload as error, but 1
 * Zero         0 without a word                     Both         a reply and an error, then 1
 * Twice        replies "first", then the payload    Count        how often this instance counted, decimal
 * Trap         unreachable                          Spin         never comes back
 * Log          the payload to the console           Grow         memory.size in pages after growing by one
 * Call         payload "binding\ncontract\noperation\npayload": the reply, or "error: " and its text
 * CallGrow     the same, growing memory between the host call and the reply
 */
#include "guest.h"

static struct bytes line(const byte **at, const byte *end) {
  struct bytes part = {*at, 0};
  while (*at < end && **at != '\n') (*at)++, part.length++;
  if (*at < end) (*at)++;
  return part;
}

static int call(struct bytes payload, int grow) {
  const byte *at = payload.start, *end = at + payload.length;
  struct bytes binding = line(&at, end), contract = line(&at, end), operation = line(&at, end);
  int rc = host_call(binding.start, binding.length, contract.start, contract.length, operation.start,
                     operation.length, at, end - at);
  if (grow) {
    size pages = __builtin_wasm_memory_grow(0, 1);
    arena = (byte *)(pages << 16);
  }
  if (rc == 1) {
    size length = host_response_length();
    byte *reply = allocate(length);
    host_response(reply);
    return respond((struct bytes){reply, length});
  }
  size length = host_error_length();
  byte *text = allocate(length + 7);
  host_error(append_text(text, "error: "));
  return respond((struct bytes){text, length + 7});
}

static int decimal(size number) {
  byte *start = allocate(10), *at = start + 10;
  do *--at = '0' + number % 10;
  while (number /= 10);
  return respond((struct bytes){at, start + 10 - at});
}

static size count;

__attribute__((export_name("__guest_call"))) int guest_call(size operation_length, size payload_length) {
  arena = &__heap_base;
  struct bytes operation = {allocate(operation_length), operation_length};
  struct bytes payload = {allocate(payload_length), payload_length};
  guest_request((byte *)operation.start, (byte *)payload.start);

  if (is(operation, "Echo")) return respond(payload);
  if (is(operation, "Silent")) return 1;
  if (is(operation, "Fail")) return fail(payload);
  if (is(operation, "FailOne")) return fail(payload), 1;
  if (is(operation, "Zero")) return 0;
  if (is(operation, "Both")) return respond(payload), fail(payload), 1;
  if (is(operation, "Twice")) return guest_response((const byte *)"first", 5), respond(payload);
  if (is(operation, "Count")) return decimal(++count);
  if (is(operation, "Trap")) __builtin_trap();
  if (is(operation, "Spin"))
    for (;;) count++;
  if (is(operation, "Log")) return console_log(payload.start, payload.length), 1;
  if (is(operation, "Grow")) return __builtin_wasm_memory_grow(0, 1), decimal(__builtin_wasm_memory_size(0));
  if (is(operation, "Call")) return call(payload, 0);
  if (is(operation, "CallGrow")) return call(payload, 1);
  return no_function(operation);
}

/* What the C guests share: the waPC imports, an arena that each call empties, and bytes. */
typedef unsigned char byte;
typedef unsigned int size;

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name))) extern
IMPORT("wapc", "__guest_request") void guest_request(byte *operation, byte *payload);
IMPORT("wapc", "__guest_response") void guest_response(const byte *data, size length);
IMPORT("wapc", "__guest_error") void guest_error(const byte *text, size length);
IMPORT("wapc", "__host_call")
int host_call(const byte *binding, size binding_length, const byte *contract, size contract_length,
              const byte *operation, size operation_length, const byte *payload, size payload_length);
IMPORT("wapc", "__host_response_len") size host_response_length(void);
IMPORT("wapc", "__host_response") void host_response(byte *to);
IMPORT("wapc", "__host_error_len") size host_error_length(void);
IMPORT("wapc", "__host_error") void host_error(byte *to);
IMPORT("wapc", "__console_log") void console_log(const byte *text, size length);

struct bytes {
  const byte *start;
  size length;
};

extern byte __heap_base;
static byte *arena;

static byte *allocate(size length) {
  byte *start = arena;
  size have = (__builtin_wasm_memory_size(0) << 16) - (size)start;
  if (length > have && __builtin_wasm_memory_grow(0, (length - have + 0xffff) >> 16) == (size)-1) __builtin_trap();
  arena += length;
  return start;
}

static int is(struct bytes text, const char *name) {
  size i = 0;
  while (i < text.length && name[i] && text.start[i] == (byte)name[i]) i++;
  return i == text.length && !name[i];
}

static byte *append(byte *at, const byte *from, size length) {
  while (length--) *at++ = *from++;
  return at;
}

static byte *append_text(byte *at, const char *text) {
  while (*text) *at++ = (byte)*text++;
  return at;
}

static int respond(struct bytes reply) { return guest_response(reply.start, reply.length), 1; }

static int fail(struct bytes text) { return guest_error(text.start, text.length), 0; }

/* As the AssemblyScript SDK says it. */
static int no_function(struct bytes operation) {
  byte *text = allocate(operation.length + 40);
  byte *end = append(append_text(text, "Could not find function \""), operation.start, operation.length);
  end = append_text(end, "\"");
  return fail((struct bytes){text, end - text});
}

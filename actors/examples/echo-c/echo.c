/*
 * Echo in C, without any library: an actor is one exported function and a few imports.
 *
 * HTTP (wasmcloud:httpserver): a request with a body gets that body and content type back, a request
 * without one gets {"method":"GET","path":"/","query":""}. Any other operation gets its payload back.
 */
typedef unsigned char byte;
typedef unsigned int size;

#define WAPC(name) __attribute__((import_module("wasmbus"), import_name(name))) extern
WAPC("__guest_request") void guest_request(byte *operation, byte *payload);
WAPC("__guest_response") void guest_response(const byte *data, size length);
WAPC("__guest_error") void guest_error(const char *text, size length);

/* --- memory: one arena, emptied at the start of each call ------------------------------------ */

extern byte __heap_base;
static byte *arena;

static byte *allocate(size length) {
  byte *start = arena;
  size have = __builtin_wasm_memory_size(0) << 16;
  if (length > have - (size)start) {
    size pages = (length - (have - (size)start) + 0xffff) >> 16;
    if (__builtin_wasm_memory_grow(0, pages) == (size)-1) __builtin_trap();
  }
  arena += length;
  return start;
}

static void copy(byte *to, const byte *from, size length) {
  while (length--) *to++ = *from++;
}

/* --- reading MessagePack: only what an HTTP request holds ------------------------------------- */

struct text {
  const byte *start;
  size length;
};

struct reader {
  const byte *at, *end;
  int bad;
};

static size number(struct reader *r, size bytes) {
  size value = 0;
  if ((size)(r->end - r->at) < bytes) return r->bad = 1, 0;
  while (bytes--) value = value << 8 | *r->at++;
  return value;
}

/* A string or binary; anything else is marked bad. */
static struct text text(struct reader *r) {
  struct text t = {0, 0};
  size tag = number(r, 1);
  if ((tag & 0xe0) == 0xa0) t.length = tag & 31;
  else if (tag >= 0xc4 && tag <= 0xc6) t.length = number(r, 1 << (tag - 0xc4));
  else if (tag >= 0xd9 && tag <= 0xdb) t.length = number(r, 1 << (tag - 0xd9));
  else r->bad = 1;
  if (r->bad || t.length > (size)(r->end - r->at)) return r->bad = 1, t.length = 0, t;
  t.start = r->at;
  r->at += t.length;
  return t;
}

/* The number of entries of a map (base 0x80) or array (base 0x90). */
static size entries(struct reader *r, size base) {
  size wide = base == 0x80 ? 0xde : 0xdc;
  size tag = number(r, 1);
  if ((tag & 0xf0) == base) return tag & 15;
  if (tag == wide) return number(r, 2);
  if (tag == wide + 1) return number(r, 4);
  return r->bad = 1, 0;
}

static int is(struct text t, const char *name) {
  size i = 0;
  for (; i < t.length && name[i]; i++)
    if ((t.start[i] | 0x20) != (name[i] | 0x20)) return 0;
  return i == t.length && !name[i];
}

/* --- writing ----------------------------------------------------------------------------------- */

static byte *put_byte(byte *at, size value) { return *at = (byte)value, at + 1; }

static byte *put_text(byte *at, struct text t) { return copy(at, t.start, t.length), at + t.length; }

static byte *put(byte *at, const char *chars) {
  while (*chars) *at++ = (byte)*chars++;
  return at;
}

static byte *put_length(byte *at, size tag, size length) {
  at = put_byte(at, tag);
  for (int shift = 24; shift >= 0; shift -= 8) at = put_byte(at, length >> shift);
  return at;
}

/* A JSON string; control characters become \u00XX. Takes at most six bytes for one. */
static byte *put_json(byte *at, struct text t) {
  static const char hex[] = "0123456789abcdef";
  at = put_byte(at, '"');
  for (size i = 0; i < t.length; i++) {
    byte c = t.start[i];
    if (c < 0x20) at = put_byte(put_byte(put(at, "\\u00"), hex[c >> 4]), hex[c & 15]);
    else at = put_byte(c == '"' || c == '\\' ? put_byte(at, '\\') : at, c);
  }
  return put_byte(at, '"');
}

/* --- the actor --------------------------------------------------------------------------------- */

struct request {
  struct text method, path, query, body, type;
};

/* {method, path, queryString, header: {name: [value]}, body}; 0 when it is something else. */
static int read_request(struct reader *r, struct request *q) {
  for (size fields = entries(r, 0x80); fields && !r->bad; fields--) {
    struct text key = text(r);
    if (is(key, "header")) {
      for (size lines = entries(r, 0x80); lines && !r->bad; lines--) {
        struct text name = text(r);
        for (size values = entries(r, 0x90); values && !r->bad; values--) {
          struct text value = text(r);
          if (is(name, "content-type")) q->type = value;
        }
      }
    } else {
      struct text value = text(r);
      if (is(key, "method")) q->method = value;
      else if (is(key, "path")) q->path = value;
      else if (is(key, "queryString")) q->query = value;
      else if (is(key, "body")) q->body = value;
    }
  }
  return !r->bad;
}

/* {statusCode: 200, header: {"content-type": [type]}, body} */
static void respond(struct text type, struct text body) {
  byte *start = allocate(type.length + body.length + 64);
  byte *at = put(start, "\x83\xaastatusCode\xcc\xc8\xa6header\x81\xac" "content-type\x91");
  at = put_text(put_length(at, 0xdb, type.length), type);
  at = put(at, "\xa4" "body");
  at = put_text(put_length(at, 0xc6, body.length), body);
  guest_response(start, at - start);
}

static const struct text json_type = {(const byte *)"application/json", 16};
static const struct text bytes_type = {(const byte *)"application/octet-stream", 24};

static int handle_request(byte *payload, size length) {
  struct reader r = {payload, payload + length, 0};
  struct request q = {};
  if (!read_request(&r, &q)) return guest_error("not an HTTP request", 19), 0;
  if (q.body.length) return respond(q.type.length ? q.type : bytes_type, q.body), 1;
  byte *start = allocate(6 * (q.method.length + q.path.length + q.query.length) + 64);
  byte *at = put_json(put(start, "{\"method\":"), q.method);
  at = put_json(put(at, ",\"path\":"), q.path);
  at = put_json(put(at, ",\"query\":"), q.query);
  at = put_byte(at, '}');
  respond(json_type, (struct text){start, at - start});
  return 1;
}

__attribute__((export_name("__guest_call"))) int guest_call(size operation_length, size payload_length) {
  arena = &__heap_base;
  struct text operation = {allocate(operation_length), operation_length};
  byte *payload = allocate(payload_length);
  guest_request((byte *)operation.start, payload);
  if (is(operation, "HttpServer.HandleRequest")) return handle_request(payload, payload_length);
  if (is(operation, "Actor.HealthRequest")) return guest_response((const byte *)"\x81\xa7healthy\xc3", 10), 1;
  guest_response(payload, payload_length);
  return 1;
}

;; Asks its key-value store for the key "nothing" as often as its payload says (a u32), reads each
;; reply, and answers the last one.
(module
  (import "wasmbus" "__guest_request" (func $request (param i32 i32)))
  (import "wasmbus" "__guest_response" (func $respond (param i32 i32)))
  (import "wasmbus" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasmbus" "__host_response_len" (func $reply_length (result i32)))
  (import "wasmbus" "__host_response" (func $reply (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "defaultwasmcloud:keyvalueGet\81\a3key\a7nothing")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (local $left i32)
    (call $request (i32.const 1024) (i32.const 4096))
    (local.set $left (i32.load (i32.const 4096)))
    (block $done
      (loop $again
        (br_if $done (i32.eqz (local.get $left)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (if (i32.ne (i32.const 1) (call $host_call
            (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 18) (i32.const 25) (i32.const 3)
            (i32.const 28) (i32.const 13)))
          (then unreachable))
        (call $reply (i32.const 16384))
        (br $again)))
    (call $respond (i32.const 16384) (call $reply_length))
    (i32.const 1)))

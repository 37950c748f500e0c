;; Echoes its payload as C and Rust guests do: asks for the request, answers from the same buffer.
(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 2)
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $request (i32.const 1024) (i32.const 4096))
    (call $respond (i32.const 4096) (local.get 1))
    (i32.const 1)))

;; Returns the first byte of the payload, without a response and without an error.
(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $request (i32.const 0) (i32.const 64))
    (i32.load8_u (i32.const 64))))

;; Spins for ever, whatever it is asked.
(module
  (import "wasmbus" "__guest_request" (func $request (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "__guest_call") (param i32 i32) (result i32)
    (loop $again (br $again))
    (i32.const 1)))

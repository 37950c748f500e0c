;; Answers 16 MiB again and again without returning.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 256)
  (func (export "__guest_call") (param i32 i32) (result i32)
    (loop $again
      (call $respond (i32.const 0) (i32.const 16777216))
      (br $again))
    (i32.const 1)))

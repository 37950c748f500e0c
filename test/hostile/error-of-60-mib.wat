;; Gives an error text of 60 MiB, all of it in memory. Only its beginning is written: what a page costs is the machine's affair.
(module
  (import "wapc" "__guest_error" (func $fail (param i32 i32)))
  (memory (export "memory") 1000)
  (func (export "__guest_call") (param i32 i32) (result i32)
    (memory.fill (i32.const 0) (i32.const 0x78) (i32.const 131072))
    (call $fail (i32.const 0) (i32.const 62914560))
    (i32.const 0)))

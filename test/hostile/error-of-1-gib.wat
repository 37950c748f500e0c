;; Claims that its error text is 1 GiB long.
(module
  (import "wapc" "__guest_error" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $fail (i32.const 0) (i32.const 1073741824))
    (i32.const 0)))

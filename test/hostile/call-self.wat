;; Passes its call on to test:self Call, without end, and answers what comes back or the error's length.
(module
  (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_error_len" (func $error_length (result i32)))
  (import "wapc" "__host_error" (func $read_error (param i32)))
  (import "wapc" "__guest_error" (func $fail (param i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "defaulttest:selfCall")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (if (i32.ne (i32.const 1) (call $host_call
        (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 9) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0)))
      (then
        (call $read_error (i32.const 1024))
        (call $fail (i32.const 1024) (call $error_length))
        (return (i32.const 0))))
    (i32.const 1)))

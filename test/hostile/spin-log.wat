;; Writes log lines for ever, 60 000 bytes each.
(module
  (import "wapc" "__console_log" (func $log (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "__guest_call") (param i32 i32) (result i32)
    (loop $again
      (call $log (i32.const 0) (i32.const 60000))
      (br $again))
    (i32.const 1)))

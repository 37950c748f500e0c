;; Asks the host for ever: test:host Ping, again and again.
(module
  (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "defaulttest:hostPing")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (loop $again
      (drop (call $host_call
        (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 9) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0)))
      (br $again))
    (i32.const 1)))

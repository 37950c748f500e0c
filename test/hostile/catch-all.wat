;; Tries to survive by exceptions whatever ends it, and goes on for ever. The payload chooses what:
;; 0 an endless loop, 1 a host call that never answers, 2 a response outside its memory, 3 recursion.
(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "defaulttest:hostHold")
  (func $spin (loop $again (br $again)))
  (func $recurse (param i32) (result i32) (i32.add (call $recurse (local.get 0)) (i32.const 1)))
  (func $hold
    (drop (call $host_call
      (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 9) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0))))
  (func (export "__guest_call") (param i32 i32) (result i32)
    (local $what i32)
    (call $request (i32.const 1024) (i32.const 2048))
    (local.set $what (i32.load8_u (i32.const 2048)))
    (loop $again
      (try
        (do
          (if (i32.eq (local.get $what) (i32.const 0)) (then (call $spin)))
          (if (i32.eq (local.get $what) (i32.const 1)) (then (call $hold)))
          (if (i32.eq (local.get $what) (i32.const 2)) (then (call $respond (i32.const 65000) (i32.const 65000))))
          (if (i32.eq (local.get $what) (i32.const 3)) (then (drop (call $recurse (i32.const 0))))))
        (catch_all))
      (br $again))
    (i32.const 1)))

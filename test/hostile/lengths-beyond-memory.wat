;; Gives ranges outside its memory; the first byte of the payload chooses to which import.
(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wapc" "__guest_error" (func $fail (param i32 i32)))
  (import "wapc" "__console_log" (func $log (param i32 i32)))
  (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_response" (func $host_response (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "defaulttest:hostPing")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (local $how i32)
    (call $request (i32.const 1024) (i32.const 2048))
    (local.set $how (i32.load8_u (i32.const 2048)))
    (if (i32.eq (local.get $how) (i32.const 0)) (then (call $respond (i32.const 65530) (i32.const 100))))
    (if (i32.eq (local.get $how) (i32.const 1)) (then (call $respond (i32.const -1) (i32.const -1))))
    (if (i32.eq (local.get $how) (i32.const 2)) (then (call $fail (i32.const 65535) (i32.const 2))))
    (if (i32.eq (local.get $how) (i32.const 3)) (then (call $log (i32.const 0) (i32.const 65537))))
    (if (i32.eq (local.get $how) (i32.const 4)) (then (call $request (i32.const 65535) (i32.const 0))))
    (if (i32.eq (local.get $how) (i32.const 5)) (then (call $request (i32.const 0) (i32.const 65536))))
    (if (i32.eq (local.get $how) (i32.const 6)) (then (drop (call $host_call
      (i32.const 65536) (i32.const 7) (i32.const 7) (i32.const 9) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0)))))
    (if (i32.eq (local.get $how) (i32.const 7)) (then (drop (call $host_call
      (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 9) (i32.const 16) (i32.const 4) (i32.const 1) (i32.const 65536)))))
    (if (i32.eq (local.get $how) (i32.const 8)) (then
      (drop (call $host_call
        (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 9) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0)))
      (call $host_response (i32.const 65536))))
    (if (i32.eq (local.get $how) (i32.const 9)) (then
      (drop (call $write (i32.const 1) (i32.const 65532) (i32.const 1) (i32.const 0)))))
    (if (i32.eq (local.get $how) (i32.const 10)) (then (drop (call $random (i32.const 65535) (i32.const 2)))))
    (i32.const 1)))

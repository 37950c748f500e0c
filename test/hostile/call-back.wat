;; Calls test:other Back, whose handler calls this actor again; answers what it gets there.
;; An operation of four bytes ("Back") is the way back and is answered at once.
(module
  (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_response_len" (func $response_length (result i32)))
  (import "wapc" "__host_response" (func $read_response (param i32)))
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "defaulttest:otherBack")
  (func (export "__guest_call") (param $operation i32) (param i32) (result i32)
    (if (i32.eq (local.get $operation) (i32.const 4))
      (then (call $respond (i32.const 17) (i32.const 4)) (return (i32.const 1))))
    (if (i32.ne (i32.const 1) (call $host_call
        (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 10) (i32.const 17) (i32.const 4) (i32.const 0) (i32.const 0)))
      (then (return (i32.const 0))))
    (call $read_response (i32.const 1024))
    (call $respond (i32.const 1024) (call $response_length))
    (i32.const 1)))

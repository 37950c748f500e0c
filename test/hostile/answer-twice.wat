;; Answers "first", then "second"; with a payload also a third time, with an error "third".
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wapc" "__guest_error" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "firstsecondthird")
  (func (export "__guest_call") (param $operation i32) (param $payload i32) (result i32)
    (call $respond (i32.const 0) (i32.const 5))
    (call $respond (i32.const 5) (i32.const 6))
    (if (local.get $payload) (then (call $fail (i32.const 11) (i32.const 5))))
    (i32.const 1)))

;; Never answers, without a loop and without growing the stack: two functions tail call each other.
(module
  (memory (export "memory") 1)
  (func $ping (param i32) (result i32) (return_call $pong (i32.add (local.get 0) (i32.const 1))))
  (func $pong (param i32) (result i32) (return_call $ping (i32.add (local.get 0) (i32.const 1))))
  (func (export "__guest_call") (param i32 i32) (result i32)
    (return_call $ping (i32.const 0))))

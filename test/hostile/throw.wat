;; Throws an exception of its own that nobody catches.
(module
  (memory (export "memory") 1)
  (tag $oops (param i32))
  (func $throw_it (throw $oops (i32.const 7)))
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $throw_it)
    (i32.const 1)))

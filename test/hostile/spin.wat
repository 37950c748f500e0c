;; Never answers: an empty loop.
(module
  (memory (export "memory") 1)
  (func $forever (loop $again (br $again)))
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $forever)
    (i32.const 1)))

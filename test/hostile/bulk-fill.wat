;; Fills 60 MiB and copies them, for ever: a few instructions that take long.
(module
  (memory (export "memory") 1000)
  (func (export "__guest_call") (param i32 i32) (result i32)
    (loop $again
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 62914560))
      (memory.copy (i32.const 8) (i32.const 0) (i32.const 62914560))
      (br $again))
    (i32.const 1)))

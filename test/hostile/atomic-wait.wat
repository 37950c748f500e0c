;; Would block its thread where no fuel is counted. Refused when it is loaded.
(module
  (memory (export "memory") 1 1 shared)
  (func (export "__guest_call") (param i32 i32) (result i32)
    (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))

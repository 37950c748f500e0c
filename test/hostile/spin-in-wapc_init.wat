;; Never gets to its first call: `wapc_init` does not return.
(module
  (memory (export "memory") 1)
  (func (export "wapc_init") (loop $again (br $again)))
  (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))

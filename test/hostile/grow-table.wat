;; Grows its table by 10 000 until that is refused and answers its size, as i32.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 1)
  (table $t 1 funcref)
  (func (export "__guest_call") (param i32 i32) (result i32)
    (loop $more
      (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1))))
    (i32.store (i32.const 0) (table.size $t))
    (call $respond (i32.const 0) (i32.const 4))
    (i32.const 1)))

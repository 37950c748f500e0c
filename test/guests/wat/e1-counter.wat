;; E1 by hand: the key-value counter with structures as arrays, as the recorded one. HandleRequest
;; 95a3474554a22f61a08090 asks "default" wascc:keyvalue Add 92a23a6101, and after the reply 9105 answers
;; 94ccc8a24f4b80dc001c and 28 integers, the bytes of a JSON text padded to that length.
(module
  (import "wapc" "__guest_request" (func $guest_request (param i32 i32)))
  (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
  (import "wapc" "__guest_error" (func $guest_error (param i32 i32)))
  (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_response_len" (func $host_response_len (result i32)))
  (import "wapc" "__host_response" (func $host_response (param i32)))
  (import "wapc" "__host_error_len" (func $host_error_len (result i32)))
  (import "wapc" "__host_error" (func $host_error (param i32)))

  (memory (export "memory") 2)
  (data (i32.const 0) "HandleRequest")                                 ;; 13 bytes
  (data (i32.const 32) "defaultwascc:keyvalueAdd")                     ;; 7, 14 and 3 bytes
  (data (i32.const 64) "\94\cc\c8\a2OK\80\dc\00\1c{\"counter\":")      ;; 21 bytes, 11 of them body
  (data (i32.const 96) "Guest call failed: bad dispatch")              ;; 31 bytes
  (data (i32.const 144) "rmp-0.8.9/src/decode/mod.rs")                 ;; era detection looks for rmp-
  ;; 1024 operation, 4096 request, 65536 Add request, 98304 replies and errors

  (global $at (mut i32) (i32.const 0))

  (func $put (param $byte i32)
    (i32.store8 (global.get $at) (local.get $byte))
    (global.set $at (i32.add (global.get $at) (i32.const 1))))

  (func $byte (result i32)
    (i32.load8_u (global.get $at))
    (global.set $at (i32.add (global.get $at) (i32.const 1))))

  ;; Length of the string at $at: fixstr or str 8.
  (func $string (result i32) (local $tag i32)
    (local.set $tag (call $byte))
    (if (i32.eq (local.get $tag) (i32.const 0xd9)) (then (return (call $byte))))
    (i32.and (local.get $tag) (i32.const 31)))

  ;; An unsigned MessagePack integer of up to 32 bits.
  (func $integer (result i32) (local $tag i32) (local $value i32) (local $length i32)
    (local.set $tag (call $byte))
    (if (i32.lt_u (local.get $tag) (i32.const 128)) (then (return (local.get $tag))))
    (local.set $length (i32.shl (i32.const 1) (i32.and (local.get $tag) (i32.const 3))))  ;; cc, cd, ce; d0, d1, d2
    (loop $more
      (local.set $value (i32.or (i32.shl (local.get $value) (i32.const 8)) (call $byte)))
      (local.set $length (i32.sub (local.get $length) (i32.const 1)))
      (br_if $more (local.get $length)))
    (local.get $value))

  (func $put_number (param $number i32)
    (if (i32.ge_u (local.get $number) (i32.const 10))
      (then (call $put_number (i32.div_u (local.get $number) (i32.const 10)))))
    (call $put (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10)))))

  (func $is_handle_request (param $length i32) (result i32) (local $i i32)
    (if (i32.ne (local.get $length) (i32.const 13)) (then (return (i32.const 0))))
    (loop $next
      (if (i32.ne (i32.load8_u (local.get $i)) (i32.load8_u offset=1024 (local.get $i)))
        (then (return (i32.const 0))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 13))))
    (i32.const 1))

  ;; Writes [key, 1], the key being the path with : for /, and answers its length. The path is at $at.
  (func $write_add (param $path i32) (param $length i32) (result i32) (local $i i32) (local $byte i32)
    (global.set $at (i32.const 65536))
    (call $put (i32.const 0x92))
    (if (i32.lt_u (local.get $length) (i32.const 32))
      (then (call $put (i32.or (i32.const 0xa0) (local.get $length))))
      (else
        (call $put (i32.const 0xd9))
        (call $put (local.get $length))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $length)))
        (local.set $byte (i32.load8_u (i32.add (local.get $path) (local.get $i))))
        (call $put (select (i32.const 58) (local.get $byte) (i32.eq (local.get $byte) (i32.const 47))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (call $put (i32.const 1))
    (i32.sub (global.get $at) (i32.const 65536)))

  (func $respond (param $counter i32) (local $i i32)
    (global.set $at (i32.const 98304))
    (loop $head
      (call $put (i32.load8_u offset=64 (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $head (i32.lt_u (local.get $i) (i32.const 21))))
    (call $put_number (local.get $counter))
    (loop $pad  ;; blanks up to the closing brace
      (if (i32.lt_u (global.get $at) (i32.const 98341))
        (then
          (call $put (i32.const 32))
          (br $pad))))
    (call $put (i32.const 125))
    (call $guest_response (i32.const 98304) (i32.sub (global.get $at) (i32.const 98304))))

  (func (export "__guest_call") (param $operation_length i32) (param $payload_length i32) (result i32)
    (local $path i32) (local $path_length i32)
    (call $guest_request (i32.const 1024) (i32.const 4096))
    (if (i32.eqz (call $is_handle_request (local.get $operation_length)))
      (then
        (call $guest_error (i32.const 96) (i32.const 31))
        (return (i32.const 0))))
    (global.set $at (i32.const 4097))  ;; past the array of five
    (local.set $path (call $string))   ;; length of the method, which comes first
    (global.set $at (i32.add (global.get $at) (local.get $path)))
    (local.set $path_length (call $string))
    (local.set $path (global.get $at))
    (if (i32.ne (i32.const 1) (call $host_call (i32.const 32) (i32.const 7) (i32.const 39) (i32.const 14)
          (i32.const 53) (i32.const 3) (i32.const 65536)
          (call $write_add (local.get $path) (local.get $path_length))))
      (then
        (call $host_error (i32.const 98304))
        (call $guest_error (i32.const 98304) (call $host_error_len))
        (return (i32.const 0))))
    (call $host_response (i32.const 98304))
    (global.set $at (i32.const 98305))  ;; past the array of one
    (call $respond (call $integer))
    (i32.const 1)))

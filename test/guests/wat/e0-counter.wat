;; E0 by hand: the key-value counter with a four-parameter host call and protobuf, byte for byte as the
;; recorded one. HandleRequest 0a03474554 12022f61 asks wascc:keyvalue!Add 0a023a61 1001, and after the
;; reply 0805 answers 08c801 12024f4b 220d7b22636f756e746572223a357d.
(module
  (import "wapc" "__guest_request" (func $guest_request (param i32 i32)))
  (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
  (import "wapc" "__guest_error" (func $guest_error (param i32 i32)))
  (import "wapc" "__host_call" (func $host_call (param $operation i32) (param $operation_length i32)
    (param $payload i32) (param $payload_length i32) (result i32)))
  (import "wapc" "__host_response_len" (func $host_response_len (result i32)))
  (import "wapc" "__host_response" (func $host_response (param i32)))
  (import "wapc" "__host_error_len" (func $host_error_len (result i32)))
  (import "wapc" "__host_error" (func $host_error (param i32)))

  (memory (export "memory") 2)
  (data (i32.const 0) "HandleRequest")                          ;; 13 bytes
  (data (i32.const 32) "wascc:keyvalue!Add")                    ;; 18 bytes
  (data (i32.const 64) "\08\c8\01\12\02OK\22")                  ;; status_code 200, status OK, body ...
  (data (i32.const 80) "{\"counter\":")                         ;; 11 bytes
  (data (i32.const 96) "Guest call failed: Unknown operation")  ;; 36 bytes
  (data (i32.const 144) "invalid varint")                       ;; as prost says it; era detection looks for it
  ;; 1024 operation, 4096 request, 65536 Add request, 98304 replies and errors

  (global $at (mut i32) (i32.const 0))

  (func $put (param $byte i32)
    (i32.store8 (global.get $at) (local.get $byte))
    (global.set $at (i32.add (global.get $at) (i32.const 1))))

  (func $varint (result i32) (local $value i32) (local $shift i32) (local $byte i32)
    (loop $more
      (local.set $byte (i32.load8_u (global.get $at)))
      (global.set $at (i32.add (global.get $at) (i32.const 1)))
      (local.set $value (i32.or (local.get $value)
        (i32.shl (i32.and (local.get $byte) (i32.const 127)) (local.get $shift))))
      (local.set $shift (i32.add (local.get $shift) (i32.const 7)))
      (br_if $more (i32.ge_u (local.get $byte) (i32.const 128))))
    (local.get $value))

  ;; Decimal digits of a number that is not negative.
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

  ;; Sets $at to the bytes of field 2 of the request and answers their number; 0 when there is none.
  (func $find_path (param $end i32) (result i32) (local $tag i32) (local $length i32)
    (loop $fields
      (if (i32.ge_u (global.get $at) (local.get $end)) (then (return (i32.const 0))))
      (local.set $tag (call $varint))
      (local.set $length (call $varint))  ;; every field of a request has a length
      (if (i32.eq (local.get $tag) (i32.const 18)) (then (return (local.get $length))))
      (global.set $at (i32.add (global.get $at) (local.get $length)))
      (br $fields))
    (i32.const 0))

  ;; Writes Add {key: the path with : for /, value: 1} and answers its length.
  (func $write_add (param $path i32) (param $length i32) (result i32) (local $i i32) (local $byte i32)
    (global.set $at (i32.const 65536))
    (call $put (i32.const 10))
    (call $put (local.get $length))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $length)))
        (local.set $byte (i32.load8_u (i32.add (local.get $path) (local.get $i))))
        (call $put (select (i32.const 58) (local.get $byte) (i32.eq (local.get $byte) (i32.const 47))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (call $put (i32.const 16))
    (call $put (i32.const 1))
    (i32.sub (global.get $at) (i32.const 65536)))

  (func $respond (param $counter i32) (local $i i32) (local $length_at i32)
    (global.set $at (i32.const 98304))
    (loop $head
      (call $put (i32.load8_u offset=64 (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $head (i32.lt_u (local.get $i) (i32.const 8))))
    (local.set $length_at (global.get $at))
    (call $put (i32.const 0))
    (local.set $i (i32.const 0))
    (loop $body
      (call $put (i32.load8_u offset=80 (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $body (i32.lt_u (local.get $i) (i32.const 11))))
    (call $put_number (local.get $counter))
    (call $put (i32.const 125))
    (i32.store8 (local.get $length_at) (i32.sub (i32.sub (global.get $at) (local.get $length_at)) (i32.const 1)))
    (call $guest_response (i32.const 98304) (i32.sub (global.get $at) (i32.const 98304))))

  (func (export "__guest_call") (param $operation_length i32) (param $payload_length i32) (result i32)
    (local $path_length i32)
    (call $guest_request (i32.const 1024) (i32.const 4096))
    (if (i32.eqz (call $is_handle_request (local.get $operation_length)))
      (then
        (call $guest_error (i32.const 96) (i32.const 36))
        (return (i32.const 0))))
    (global.set $at (i32.const 4096))
    (local.set $path_length (call $find_path (i32.add (i32.const 4096) (local.get $payload_length))))
    (if (i32.ne (i32.const 1) (call $host_call (i32.const 32) (i32.const 18) (i32.const 65536)
          (call $write_add (global.get $at) (local.get $path_length))))
      (then
        (call $host_error (i32.const 98304))
        (call $guest_error (i32.const 98304) (call $host_error_len))
        (return (i32.const 0))))
    (call $host_response (i32.const 98304))
    (global.set $at (i32.const 98305))  ;; past the tag of field 1
    (call $respond (call $varint))
    (i32.const 1)))

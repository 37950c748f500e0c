//! Plain waPC: wapc-guest 1.1 with no capability SDK at all.
//! `Echo` gives the payload back, `Upper` asks the host first, `Fail` and `Panic` do what they say,
//! `Log` writes its payload to the console.

use wapc_guest as wapc;

#[no_mangle]
pub fn wapc_init() {
    wapc::register_function("Echo", |msg| Ok(msg.to_vec()));
    wapc::register_function("Upper", upper);
    wapc::register_function("Fail", |msg| Err(String::from_utf8_lossy(msg).into_owned().into()));
    wapc::register_function("Panic", |msg| panic!("{}", String::from_utf8_lossy(msg)));
    wapc::register_function("Log", |msg| {
        wapc::console_log(&String::from_utf8_lossy(msg));
        Ok(Vec::new())
    });
}

fn upper(msg: &[u8]) -> wapc::CallResult {
    let _ = wapc::host_call("default", "demo:counter", "Add", msg)?;
    Ok(String::from_utf8(msg.to_vec())?.to_uppercase().into_bytes())
}

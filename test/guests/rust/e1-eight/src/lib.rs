//! E1, eight-parameter host calls: the structures of wascc-codec 0.5 as arrays over wapc-guest 0.3.

#[path = "../../driver.rs"]
mod driver;
#[path = "../../eight.rs"]
mod eight;

fn encode(item: impl serde::Serialize) -> wapc_guest::prelude::CallResult {
    Ok(wascc_codec::serialize(item).map_err(|error| error.to_string())?)
}

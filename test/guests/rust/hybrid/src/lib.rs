//! The hybrid of 1 April 2020, between E1 and E2: requests are understood as arrays or snake_case maps
//! with bodies of integers; outgoing calls and replies are maps with `status_code`.

#[path = "../../driver.rs"]
mod driver;
#[path = "../../eight.rs"]
mod eight;

fn encode(item: impl serde::Serialize) -> wapc_guest::prelude::CallResult {
    let mut bytes = Vec::new();
    item.serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map())?;
    Ok(bytes)
}

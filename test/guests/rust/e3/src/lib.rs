//! E3: the wasmcloud-actor-* crates of 2021 over wapc-guest 0.4, `wasmcloud:` contracts.
//! Beside the driver's HTTP paths, `Ping {value}` answers `{value: value + 42}`.

#[path = "../../driver.rs"]
mod driver;
use driver::{answer_message, drive, unknown, Answer, Bytes, Capabilities, Number, Query};
extern crate wasmcloud_actor_core as actor;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wapc_guest::{CallResult, HandlerResult};
use wasmcloud_actor_extras as extras;
use wasmcloud_actor_http_server as http;
use wasmcloud_actor_keyvalue as kv;
use wasmcloud_actor_logging as logging;
use wasmcloud_actor_messaging as messaging;

#[actor::init]
fn init() {
    http::Handlers::register_handle_request(handle_request);
    messaging::Handlers::register_handle_message(handle_message);
    wapc_guest::register_function("Ping", ping);
    logging::enable_macros();
}

#[derive(Serialize, Deserialize)]
struct PingArgs {
    value: i32,
}

fn ping(payload: &[u8]) -> CallResult {
    let PingArgs { value } = http::deserialize(payload)?;
    http::serialize(PingArgs { value: value + 42 })
}

fn handle_request(request: http::Request) -> HandlerResult<http::Response> {
    let reply = drive(&Host, &request.path, &request.query_string, &request.body);
    let status = if reply.status == 200 { "OK" } else { "Internal Server Error" }.to_string();
    Ok(http::Response { status_code: reply.status, status, header: Default::default(), body: reply.body })
}

fn handle_message(message: messaging::BrokerMessage) -> HandlerResult<()> {
    Ok(answer_message(&Host, &message.subject, &message.reply_to, &message.body)?)
}

macro_rules! field {
    ($call:expr, $field:ident) => {
        $call.map(|reply| json!(reply.$field)).map_err(|error| error.to_string())
    };
}

struct Host;

impl Capabilities for Host {
    fn keyvalue(&self, operation: &str, query: &Query) -> Answer {
        let (key, value) = (query.text("key"), query.text("value"));
        let binding = Some(query.text("binding")).filter(|name| !name.is_empty());
        let store = binding.map_or_else(kv::default, |name| kv::host(&name));
        match operation {
            "Add" => field!(store.add(key, query.number("value")? as i32), value),
            "Get" => store
                .get(key)
                .map(|reply| json!(Some(reply.value).filter(|_| reply.exists)))
                .map_err(|error| error.to_string()),
            "Set" => field!(store.set(key, value, query.number("expires")? as i32), value),
            "Del" => field!(store.del(key), key),
            "Clear" => field!(store.clear(key), key),
            "Range" => field!(store.range(key, query.number("start")? as i32, query.number("stop")? as i32), values),
            "Push" => field!(store.push(key, value), new_count),
            "ListItemDelete" => field!(store.list_item_delete(key, value), new_count),
            "SetAdd" => field!(store.set_add(key, value), new_count),
            "SetRemove" => field!(store.set_remove(key, value), new_count),
            "SetUnion" => field!(store.set_union(query.all("keys")), values),
            "SetIntersection" => field!(store.set_intersection(query.all("keys")), values),
            "SetQuery" => field!(store.set_query(key), values),
            "KeyExists" => field!(store.key_exists(key), exists),
            other => unknown(other),
        }
    }
    fn increment(&self, key: &str) -> Number {
        kv::default().add(key.to_string(), 1).map(|reply| reply.value).map_err(|error| error.to_string())
    }
    fn log(&self, level: &str, text: &str) -> Answer {
        match level {
            "error" => log::error!("{}", text),
            "warn" => log::warn!("{}", text),
            "info" => log::info!("{}", text),
            "debug" => log::debug!("{}", text),
            "trace" => log::trace!("{}", text),
            "console" => wapc_guest::console_log(text),
            other => return unknown(other),
        }
        Ok(json!(()))
    }
    fn numbers(&self, operation: &str, query: &Query) -> Answer {
        let (min, max) = (query.number("min")? as u32, query.number("max")? as u32);
        let request = extras::GeneratorRequest { min, max, ..Default::default() };
        let extras = extras::default();
        match operation {
            "guid" => field!(extras.request_guid(extras::GeneratorRequest { guid: true, ..request }), guid),
            "sequence" => {
                field!(extras.request_sequence(extras::GeneratorRequest { sequence: true, ..request }), sequence_number)
            }
            "random" => field!(extras.request_random(extras::GeneratorRequest { random: true, ..request }), random_number),
            other => unknown(other),
        }
    }
    fn publish(&self, subject: &str, reply_to: &str, body: &[u8]) -> Answer {
        field!(messaging::default().publish(subject.to_string(), reply_to.to_string(), body.to_vec()), published)
    }
    fn request(&self, subject: &str, body: &[u8], timeout_ms: u64) -> Bytes {
        let reply = messaging::default().request(subject.to_string(), body.to_vec(), timeout_ms as i64);
        reply.map(|message| message.body).map_err(|error| error.to_string())
    }
    fn call(&self, target: &str, operation: &str, payload: &[u8]) -> Bytes {
        wapc_guest::host_call("default", target, operation, payload).map_err(|error| error.to_string())
    }
}

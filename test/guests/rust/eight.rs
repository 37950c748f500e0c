//! The last days of E1: the structures of wascc-codec 0.5 over host calls with a binding (wapc-guest 0.3).
//! Who includes this says in `encode` whether structures go out as arrays or as maps.

use crate::driver::{answer_message, drive, unknown, Answer, Bytes, Capabilities, Number, Query};
use serde::{de::DeserializeOwned, Serialize};
use serde_json::json;
use wapc_guest::prelude::*;
use wascc_codec::{core, extras, http, keyvalue as kv, logging, messaging};

wapc_handler!(handle_wapc);

fn handle_wapc(operation: &str, msg: &[u8]) -> CallResult {
    match operation {
        http::OP_HANDLE_REQUEST => {
            let request: http::Request = decode(msg)?;
            if request.path == "/about" {
                return encode(http::Response { body: ABOUT.as_bytes().to_vec(), ..http::Response::ok() });
            }
            let reply = drive(&Host, &request.path, &request.query_string, &request.body);
            let status = if reply.status == 200 { "OK" } else { "Internal Server Error" }.to_string();
            encode(http::Response { status_code: reply.status, status, body: reply.body, ..Default::default() })
        }
        messaging::OP_DELIVER_MESSAGE => {
            let message = decode::<messaging::DeliverMessage>(msg)?.message;
            answer_message(&Host, &message.subject, &message.reply_to, &message.body)?;
            Ok(Vec::new())
        }
        core::OP_HEALTH_REQUEST => {
            decode::<core::HealthRequest>(msg)?;
            Ok(Vec::new())
        }
        _ => Err("bad dispatch".into()),
    }
}

/// Builds of that time hold the paths of the crates they are made of; era detection looks for this one.
const ABOUT: &str = "registry/src/github.com-1ecc6299db9ec823/rmp-0.8.9/src/decode/mod.rs";

fn encode(item: impl Serialize) -> CallResult {
    crate::encode(item)
}

fn decode<R: DeserializeOwned>(bytes: &[u8]) -> std::result::Result<R, String> {
    wascc_codec::deserialize(bytes).map_err(|error| error.to_string())
}

fn send(contract: &str, operation: &str, arguments: impl Serialize) -> Bytes {
    let payload = encode(arguments).map_err(|error| error.to_string())?;
    host_call("default", contract, operation, &payload).map_err(|error| error.to_string())
}

fn ask<R: DeserializeOwned>(contract: &str, operation: &str, arguments: impl Serialize) -> std::result::Result<R, String> {
    decode(&send(contract, operation, arguments)?)
}

struct Host;

impl Capabilities for Host {
    fn keyvalue(&self, operation: &str, query: &Query) -> Answer {
        const CONTRACT: &str = "wascc:keyvalue";
        let (key, value) = (query.text("key"), query.text("value"));
        let count = |reply: kv::ListResponse| json!(reply.new_count);
        let set_count = |reply: kv::SetOperationResponse| json!(reply.new_count);
        let values = |reply: kv::SetQueryResponse| json!(reply.values);
        match operation {
            kv::OP_ADD => self.add(&key, query.number("value")? as i32).map(|value| json!(value)),
            kv::OP_GET => ask(CONTRACT, operation, kv::GetRequest { key })
                .map(|reply: kv::GetResponse| json!(Some(reply.value).filter(|_| reply.exists))),
            kv::OP_SET => {
                let expires_s = query.number("expires")? as i32;
                ask(CONTRACT, operation, kv::SetRequest { key, value, expires_s }).map(|_: kv::SetResponse| json!(()))
            }
            kv::OP_DEL => ask(CONTRACT, operation, kv::DelRequest { key }).map(|_: kv::DelResponse| json!(())),
            kv::OP_CLEAR => ask(CONTRACT, operation, kv::ListClearRequest { key }).map(|_: kv::ListResponse| json!(())),
            kv::OP_RANGE => {
                let (start, stop) = (query.number("start")? as i32, query.number("stop")? as i32);
                let range = kv::ListRangeRequest { key, start, stop };
                ask(CONTRACT, operation, range).map(|reply: kv::ListRangeResponse| json!(reply.values))
            }
            kv::OP_PUSH => ask(CONTRACT, operation, kv::ListPushRequest { key, value }).map(count),
            kv::OP_LIST_DEL => ask(CONTRACT, operation, kv::ListDelItemRequest { key, value }).map(count),
            kv::OP_SET_ADD => ask(CONTRACT, operation, kv::SetAddRequest { key, value }).map(set_count),
            kv::OP_SET_REMOVE => ask(CONTRACT, operation, kv::SetRemoveRequest { key, value }).map(set_count),
            kv::OP_SET_UNION => ask(CONTRACT, operation, kv::SetUnionRequest { keys: query.all("keys") }).map(values),
            kv::OP_SET_INTERSECT => {
                ask(CONTRACT, operation, kv::SetIntersectionRequest { keys: query.all("keys") }).map(values)
            }
            kv::OP_SET_QUERY => ask(CONTRACT, operation, kv::SetQueryRequest { key }).map(values),
            kv::OP_KEY_EXISTS => {
                ask(CONTRACT, operation, kv::KeyExistsQuery { key }).map(|reply: kv::GetResponse| json!(reply.exists))
            }
            other => unknown(other),
        }
    }
    fn increment(&self, key: &str) -> Number {
        self.add(key, 1)
    }
    fn log(&self, level: &str, text: &str) -> Answer {
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        let Some(level) = levels.iter().position(|name| *name == level) else { return unknown(level) };
        let line = logging::WriteLogRequest { level, body: text.to_string() };
        send("wascc:logging", logging::OP_LOG, line).map(|_| json!(()))
    }
    fn numbers(&self, operation: &str, query: &Query) -> Answer {
        use extras::{GeneratorRequest, GeneratorRequestType::*, GeneratorResult, GeneratorResultType};
        let (operation, typ) = match operation {
            "guid" => (extras::OP_REQUEST_GUID, Guid),
            "sequence" => (extras::OP_REQUEST_SEQUENCE, SequenceNumber),
            "random" => {
                let (min, max) = (query.number("min")? as u32, query.number("max")? as u32);
                (extras::OP_REQUEST_RANDOM, RandomNumber(min, max))
            }
            other => return unknown(other),
        };
        let result: GeneratorResult = ask("wascc:extras", operation, GeneratorRequest { typ })?;
        Ok(match result.value {
            GeneratorResultType::Guid(guid) => json!(guid),
            GeneratorResultType::SequenceNumber(number) => json!(number),
            GeneratorResultType::RandomNumber(number) => json!(number),
        })
    }
    fn publish(&self, subject: &str, reply_to: &str, body: &[u8]) -> Answer {
        let (subject, reply_to, body) = (subject.to_string(), reply_to.to_string(), body.to_vec());
        let message = messaging::BrokerMessage { subject, reply_to, body };
        send("wascc:messaging", messaging::OP_PUBLISH_MESSAGE, messaging::PublishMessage { message }).map(|_| json!(()))
    }
    fn request(&self, subject: &str, body: &[u8], timeout_ms: u64) -> Bytes {
        let (subject, body, timeout_ms) = (subject.to_string(), body.to_vec(), timeout_ms as i64);
        let request = messaging::RequestMessage { subject, body, timeout_ms };
        send("wascc:messaging", messaging::OP_PERFORM_REQUEST, request)
    }
    fn call(&self, target: &str, operation: &str, payload: &[u8]) -> Bytes {
        host_call("default", target, operation, payload).map_err(|error| error.to_string())
    }
}

impl Host {
    fn add(&self, key: &str, value: i32) -> Number {
        let add = kv::AddRequest { key: key.to_string(), value };
        ask("wascc:keyvalue", kv::OP_ADD, add).map(|reply: kv::AddResponse| reply.value)
    }
}

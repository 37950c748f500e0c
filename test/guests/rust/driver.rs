//! What every driver of the corpus does, whatever its era: an HTTP path names a capability and an
//! operation, the query its arguments, and the answer is what the SDK handed back.
//!
//! GET /keyvalue/Push?key=a&value=b   {"result":2}
//! GET /logging/warn?text=hello       {"result":null}
//! GET /numbers/random?min=1&max=6    {"result":4}       also guid, sequence
//! GET /messaging/Publish?subject=s&reply=r&body=b     also Request with timeout=MS
//! POST /call?target=T&operation=O    the body is the payload, the answer the raw reply
//! GET /anything/else                 {"counter":1}      counts the path, as the key-value counter did
//!
//! A host call that fails answers status 500 and {"error":"its text"}.

#[path = "query.rs"]
mod query;
pub use query::Query;
use serde_json::{json, Value};

pub type Answer = Result<Value, String>;
pub type Bytes = Result<Vec<u8>, String>;
pub type Number = Result<i32, String>;

pub trait Capabilities {
    fn keyvalue(&self, operation: &str, query: &Query) -> Answer;
    fn log(&self, level: &str, text: &str) -> Answer;
    fn numbers(&self, operation: &str, query: &Query) -> Answer;
    fn publish(&self, subject: &str, reply_to: &str, body: &[u8]) -> Answer;
    fn request(&self, subject: &str, body: &[u8], timeout_ms: u64) -> Bytes;
    fn call(&self, target: &str, operation: &str, payload: &[u8]) -> Bytes;
    fn increment(&self, key: &str) -> Number;
}

pub struct Reply {
    pub status: u32,
    pub body: Vec<u8>,
}

pub fn drive(host: &impl Capabilities, path: &str, query: &str, body: &[u8]) -> Reply {
    let query = Query::parse(query);
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let answer = match segments[..] {
        ["keyvalue", operation] => host.keyvalue(operation, &query).map(result),
        ["logging", level] => host.log(level, &query.text("text")).map(result),
        ["numbers", operation] => host.numbers(operation, &query).map(result),
        ["messaging", "Publish"] => host
            .publish(&query.text("subject"), &query.text("reply"), query.text("body").as_bytes())
            .map(result),
        ["messaging", "Request"] => query.number("timeout").and_then(|timeout| {
            let reply = host.request(&query.text("subject"), query.text("body").as_bytes(), timeout as u64)?;
            Ok(result(json!(String::from_utf8_lossy(&reply))))
        }),
        ["call"] => host.call(&query.text("target"), &query.text("operation"), body),
        _ => host
            .increment(&path.replace('/', ":"))
            .map(|counter| json!({ "counter": counter }).to_string().into_bytes()),
    };
    match answer {
        Ok(body) => Reply { status: 200, body },
        Err(error) => Reply { status: 500, body: json!({ "error": error }).to_string().into_bytes() },
    }
}

/// A message gets its body back with "reply: " before it, where it asks for a reply.
pub fn answer_message(host: &impl Capabilities, subject: &str, reply_to: &str, body: &[u8]) -> Result<(), String> {
    let _ = host.log("info", &format!("message on {}, {} bytes", subject, body.len()));
    if reply_to.is_empty() {
        return Ok(());
    }
    host.publish(reply_to, "", &[b"reply: ", body].concat()).map(|_| ())
}

fn result(value: Value) -> Vec<u8> {
    json!({ "result": value }).to_string().into_bytes()
}

#[allow(dead_code)]
pub fn unknown(operation: &str) -> Answer {
    Err(format!("the driver knows no operation {}", operation))
}

/// Runs one key-value operation of waSCC's SDKs, whose methods kept their names from E0 to E2.
#[allow(unused_macros)]
macro_rules! wascc_keyvalue {
    ($store:expr, $operation:expr, $query:expr) => {{
        let (store, query) = ($store, $query);
        let (key, value) = (query.text("key"), query.text("value"));
        macro_rules! json_of {
            ($call:expr) => {
                $call.map(|value| serde_json::json!(value)).map_err(|error| error.to_string())
            };
        }
        match $operation {
            "Add" => json_of!(store.atomic_add(&key, query.number("value")? as i32)),
            "Get" => json_of!(store.get(&key)),
            "Set" => json_of!(store.set(&key, &value, Some(query.number("expires")? as u32).filter(|s| *s > 0))),
            "Del" => json_of!(store.del_key(&key)),
            "Clear" => json_of!(store.list_clear(&key)),
            "Range" => {
                let (start, stop) = (query.number("start")? as isize, query.number("stop")? as isize);
                json_of!(store.list_range(&key, start, stop))
            }
            "Push" => json_of!(store.list_add(&key, &value)),
            "ListItemDelete" => json_of!(store.list_del_item(&key, &value)),
            "SetAdd" => json_of!(store.set_add(&key, &value)),
            "SetRemove" => json_of!(store.set_remove(&key, &value)),
            "SetUnion" => json_of!(store.set_union(query.all("keys"))),
            "SetIntersection" => json_of!(store.set_intersect(query.all("keys"))),
            "SetQuery" => json_of!(store.set_members(&key)),
            "KeyExists" => json_of!(store.exists(&key)),
            other => unknown(other),
        }
    }};
}
#[allow(unused_imports)]
pub(crate) use wascc_keyvalue;

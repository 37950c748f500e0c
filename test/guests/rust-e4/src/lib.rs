//! E4: wasmbus-rpc 0.15 with the smithy interfaces. The HTTP paths are those of `../rust/driver.rs`, with
//! the operations of this era: GET /keyvalue/ListAdd?key=a&value=b answers {"result":1}.

use serde_json::{json, Value};
use wasmbus_rpc::actor::prelude::*;
use wasmcloud_interface_httpserver::{HttpRequest, HttpResponse, HttpServer, HttpServerReceiver};
use wasmcloud_interface_keyvalue::*;
use wasmcloud_interface_logging::{LogEntry, Logging, LoggingSender};
use wasmcloud_interface_messaging::{
    MessageSubscriber, MessageSubscriberReceiver, Messaging, MessagingSender, PubMessage, ReplyMessage, RequestMessage,
    SubMessage,
};
use wasmcloud_interface_numbergen::{NumberGen, NumberGenSender, RangeLimit};

#[path = "../../rust/query.rs"]
mod query;
use query::Query;

#[derive(Debug, Default, Actor, HealthResponder)]
#[services(Actor, HttpServer, MessageSubscriber)]
struct Driver {}

#[async_trait]
impl HttpServer for Driver {
    async fn handle_request(&self, ctx: &Context, req: &HttpRequest) -> RpcResult<HttpResponse> {
        let query = Query::parse(&req.query_string);
        let segments: Vec<&str> = req.path.trim_matches('/').split('/').collect();
        let answer = match segments[..] {
            ["keyvalue", operation] => keyvalue(ctx, operation, &query).await,
            ["logging", level] => log(ctx, level, &query.text("text")).await,
            ["numbers", operation] => numbers(ctx, operation, &query).await,
            ["messaging", operation] => messaging(ctx, operation, &query).await,
            ["call"] => return call(ctx, &query, &req.body).await,
            _ => return count(ctx, &req.path).await,
        };
        match answer {
            Ok(result) => HttpResponse::json(json!({ "result": result }), 200),
            Err(error) => HttpResponse::json(json!({ "error": error.to_string() }), 500),
        }
    }
}

#[async_trait]
impl MessageSubscriber for Driver {
    /// A message gets its body back with "reply: " before it, where it asks for a reply.
    async fn handle_message(&self, ctx: &Context, msg: &SubMessage) -> RpcResult<()> {
        let _ = log(ctx, "info", &format!("message on {}, {} bytes", msg.subject, msg.body.len())).await;
        match &msg.reply_to {
            Some(subject) if !subject.is_empty() => {
                let body = [b"reply: ", &msg.body[..]].concat();
                let reply = PubMessage { subject: subject.clone(), reply_to: None, body };
                MessagingSender::new().publish(ctx, &reply).await
            }
            _ => Ok(()),
        }
    }
}

fn unknown(operation: &str) -> RpcError {
    RpcError::MethodNotHandled(operation.to_string())
}

fn number<T: TryFrom<i64>>(query: &Query, name: &str) -> RpcResult<T> {
    let number = query.number(name).map_err(RpcError::InvalidParameter)?;
    T::try_from(number).map_err(|_| RpcError::InvalidParameter(format!("{name} is out of range")))
}

async fn count(ctx: &Context, path: &str) -> RpcResult<HttpResponse> {
    let increment = IncrementRequest { key: path.replace('/', ":"), value: 1 };
    match KeyValueSender::new().increment(ctx, &increment).await {
        Ok(counter) => HttpResponse::json(json!({ "counter": counter }), 200),
        Err(error) => HttpResponse::json(json!({ "error": error.to_string() }), 500),
    }
}

async fn call(ctx: &Context, query: &Query, payload: &[u8]) -> RpcResult<HttpResponse> {
    let (target, operation) = (query.text("target"), query.text("operation"));
    let message = Message { method: &operation, arg: payload.into() };
    match WasmHost::to_actor(target)?.send(ctx, message, None).await {
        Ok(reply) => Ok(HttpResponse::ok(reply)),
        Err(error) => HttpResponse::json(json!({ "error": error.to_string() }), 500),
    }
}

async fn keyvalue(ctx: &Context, operation: &str, query: &Query) -> RpcResult<Value> {
    let (key, value) = (query.text("key"), query.text("value"));
    let link = Some(query.text("link")).filter(|name| !name.is_empty()).unwrap_or("default".into());
    let store = KeyValueSender::via(WasmHost::to_provider("wasmcloud:keyvalue", &link)?);
    Ok(match operation {
        "Increment" => json!(store.increment(ctx, &IncrementRequest { key, value: number(query, "value")? }).await?),
        "Contains" => json!(store.contains(ctx, &key).await?),
        "Get" => {
            let found = store.get(ctx, &key).await?;
            json!(Some(found.value).filter(|_| found.exists))
        }
        "Set" => json!(store.set(ctx, &SetRequest { key, value, expires: number(query, "expires")? }).await?),
        "Del" => json!(store.del(ctx, &key).await?),
        "ListAdd" => json!(store.list_add(ctx, &ListAddRequest { list_name: key, value }).await?),
        "ListDel" => json!(store.list_del(ctx, &ListDelRequest { list_name: key, value }).await?),
        "ListClear" => json!(store.list_clear(ctx, &key).await?),
        "ListRange" => {
            let (start, stop) = (number(query, "start")?, number(query, "stop")?);
            json!(store.list_range(ctx, &ListRangeRequest { list_name: key, start, stop }).await?)
        }
        "SetAdd" => json!(store.set_add(ctx, &SetAddRequest { set_name: key, value }).await?),
        "SetDel" => json!(store.set_del(ctx, &SetDelRequest { set_name: key, value }).await?),
        "SetUnion" => json!(store.set_union(ctx, &query.all("keys")).await?),
        "SetIntersection" => json!(store.set_intersection(ctx, &query.all("keys")).await?),
        "SetQuery" => json!(store.set_query(ctx, &key).await?),
        "SetClear" => json!(store.set_clear(ctx, &key).await?),
        other => return Err(unknown(other)),
    })
}

async fn log(ctx: &Context, level: &str, text: &str) -> RpcResult<Value> {
    if level == "console" {
        console_log(text);
        return Ok(Value::Null);
    }
    let entry = LogEntry { level: level.to_string(), text: text.to_string() };
    Ok(json!(LoggingSender::new().write_log(ctx, &entry).await?))
}

async fn numbers(ctx: &Context, operation: &str, query: &Query) -> RpcResult<Value> {
    let numbers = NumberGenSender::new();
    Ok(match operation {
        "GenerateGuid" => json!(numbers.generate_guid(ctx).await?),
        "Random32" => json!(numbers.random_32(ctx).await?),
        "RandomInRange" => {
            let range = RangeLimit { min: number(query, "min")?, max: number(query, "max")? };
            json!(numbers.random_in_range(ctx, &range).await?)
        }
        other => return Err(unknown(other)),
    })
}

async fn messaging(ctx: &Context, operation: &str, query: &Query) -> RpcResult<Value> {
    let (subject, body) = (query.text("subject"), query.text("body").into_bytes());
    let messaging = MessagingSender::new();
    Ok(match operation {
        "Publish" => {
            let reply_to = Some(query.text("reply")).filter(|to| !to.is_empty());
            json!(messaging.publish(ctx, &PubMessage { subject, reply_to, body }).await?)
        }
        "Request" => {
            let request = RequestMessage { subject, body, timeout_ms: number(query, "timeout")? };
            let ReplyMessage { body, .. } = messaging.request(ctx, &request).await?;
            json!(String::from_utf8_lossy(&body))
        }
        other => return Err(unknown(other)),
    })
}

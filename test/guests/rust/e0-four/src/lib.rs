//! E0, four-parameter host calls: wascc-actor 0.2 of the first weeks of 2020, protobuf.
//! It had neither a logging contract nor extras; log lines go to the console.

#[path = "../../driver.rs"]
mod driver;
use driver::{answer_message, drive, unknown, wascc_keyvalue, Answer, Bytes, Capabilities, Number, Query};
use wascc_actor::prelude::*;

actor_receive!(receive);

fn receive(ctx: &CapabilitiesContext, operation: &str, msg: &[u8]) -> ReceiveResult {
    match operation {
        http::OP_HANDLE_REQUEST => {
            let request = http::Request::decode(msg)?;
            let reply = drive(&Host(ctx), &request.path, &request.query_string, &request.body);
            let status = if reply.status == 200 { "OK" } else { "Internal Server Error" }.to_string();
            Ok(protobytes(http::Response { status_code: reply.status, status, body: reply.body, ..Default::default() })?)
        }
        messaging::OP_DELIVER_MESSAGE => {
            let message = messaging::DeliverMessage::decode(msg)?.message.ok_or("no message in it")?;
            answer_message(&Host(ctx), &message.subject, &message.reply_to, &message.body)?;
            Ok(Vec::new())
        }
        core::OP_HEALTH_REQUEST => Ok(Vec::new()),
        _ => Err("Unknown operation".into()),
    }
}

struct Host<'a>(&'a CapabilitiesContext);

impl Capabilities for Host<'_> {
    fn keyvalue(&self, operation: &str, query: &Query) -> Answer {
        wascc_keyvalue!(self.0.kv(), operation, query)
    }
    fn increment(&self, key: &str) -> Number {
        self.0.kv().atomic_add(key, 1).map_err(|error| error.to_string())
    }
    fn log(&self, _level: &str, text: &str) -> Answer {
        self.0.log(text);
        Ok(().into())
    }
    fn numbers(&self, operation: &str, _query: &Query) -> Answer {
        unknown(operation)
    }
    fn publish(&self, subject: &str, reply_to: &str, body: &[u8]) -> Answer {
        let reply_to = Some(reply_to).filter(|to| !to.is_empty());
        self.0.msg().publish(subject, reply_to, body).map(|_| ().into()).map_err(|error| error.to_string())
    }
    fn request(&self, subject: &str, body: &[u8], timeout_ms: u64) -> Bytes {
        self.0.msg().request(subject, body, timeout_ms).map_err(|error| error.to_string())
    }
    fn call(&self, target: &str, operation: &str, payload: &[u8]) -> Bytes {
        self.0.raw().call(target, operation, payload).map_err(|error| error.to_string())
    }
}

//! E1, six-parameter host calls: wascc-actor 0.5 of March 2020, MessagePack with structures as arrays.

#[path = "../../driver.rs"]
mod driver;
use driver::{answer_message, drive, unknown, wascc_keyvalue, Answer, Bytes, Capabilities, Number, Query};
use wascc_actor::prelude::*;
use wascc_codec::serialize;

actor_handlers! {
    http::OP_HANDLE_REQUEST => handle_request,
    messaging::OP_DELIVER_MESSAGE => deliver_message,
    core::OP_HEALTH_REQUEST => health
}

fn handle_request(ctx: &CapabilitiesContext, request: http::Request) -> CallResult {
    if request.path == "/about" {
        return Ok(serialize(http::Response { body: ABOUT.as_bytes().to_vec(), ..http::Response::ok() })?);
    }
    let reply = drive(&Host(ctx), &request.path, &request.query_string, &request.body);
    let status = if reply.status == 200 { "OK" } else { "Internal Server Error" }.to_string();
    Ok(serialize(http::Response { status_code: reply.status, status, body: reply.body, ..Default::default() })?)
}

fn deliver_message(ctx: &CapabilitiesContext, delivery: messaging::DeliverMessage) -> CallResult {
    let message = delivery.message;
    answer_message(&Host(ctx), &message.subject, &message.reply_to, &message.body)?;
    Ok(Vec::new())
}

fn health(_ctx: &CapabilitiesContext, _request: core::HealthRequest) -> CallResult {
    Ok(Vec::new())
}

/// Builds of that time hold the paths of the crates they are made of; era detection looks for this one.
const ABOUT: &str = "registry/src/github.com-1ecc6299db9ec823/rmp-0.8.9/src/decode/mod.rs";

struct Host<'a>(&'a CapabilitiesContext);

impl Capabilities for Host<'_> {
    fn keyvalue(&self, operation: &str, query: &Query) -> Answer {
        wascc_keyvalue!(self.0.kv(), operation, query)
    }
    fn increment(&self, key: &str) -> Number {
        self.0.kv().atomic_add(key, 1).map_err(|error| error.to_string())
    }
    fn log(&self, level: &str, text: &str) -> Answer {
        let logger = self.0.log();
        match level {
            "error" => logger.error(text),
            "warn" => logger.warn(text),
            "info" => logger.info(text),
            "debug" => logger.debug(text),
            "trace" => logger.trace(text),
            other => return unknown(other),
        }
        .map(|_| ().into())
        .map_err(|error| error.to_string())
    }
    fn numbers(&self, operation: &str, query: &Query) -> Answer {
        let extras = self.0.extras();
        match operation {
            "guid" => extras.get_guid().map(|guid| guid.into()).map_err(|error| error.to_string()),
            "sequence" => extras.get_sequence_number().map(|n| n.into()).map_err(|error| error.to_string()),
            "random" => {
                let (min, max) = (query.number("min")? as u32, query.number("max")? as u32);
                extras.get_random(min, max).map(|n| n.into()).map_err(|error| error.to_string())
            }
            other => unknown(other),
        }
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

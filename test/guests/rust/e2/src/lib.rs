//! E2: wascc-actor 0.7, MessagePack with structures as maps, `wascc:` contracts.

#[path = "../../driver.rs"]
mod driver;
use driver::{answer_message, drive, unknown, wascc_keyvalue, Answer, Bytes, Capabilities, Number, Query};
extern crate wascc_actor as actor;
use actor::prelude::*;

actor_handlers! {
    codec::http::OP_HANDLE_REQUEST => handle_request,
    codec::messaging::OP_DELIVER_MESSAGE => deliver_message,
    codec::core::OP_HEALTH_REQUEST => health
}

fn handle_request(request: codec::http::Request) -> HandlerResult<codec::http::Response> {
    let reply = drive(&Host, &request.path, &request.query_string, &request.body);
    let status = if reply.status == 200 { "OK" } else { "Internal Server Error" }.to_string();
    Ok(codec::http::Response { status_code: reply.status, status, body: reply.body, ..Default::default() })
}

fn deliver_message(message: codec::messaging::BrokerMessage) -> HandlerResult<()> {
    Ok(answer_message(&Host, &message.subject, &message.reply_to, &message.body)?)
}

fn health(_: codec::core::HealthRequest) -> HandlerResult<()> {
    Ok(())
}

struct Host;

impl Capabilities for Host {
    fn keyvalue(&self, operation: &str, query: &Query) -> Answer {
        // A second binding tells apart two links of one contract.
        let binding = Some(query.text("binding")).filter(|name| !name.is_empty());
        let store = binding.map_or_else(keyvalue::default, |name| keyvalue::host(&name));
        wascc_keyvalue!(store, operation, query)
    }
    fn increment(&self, key: &str) -> Number {
        keyvalue::default().atomic_add(key, 1).map_err(|error| error.to_string())
    }
    fn log(&self, level: &str, text: &str) -> Answer {
        match level {
            "error" => log::error!("{}", text),
            "warn" => log::warn!("{}", text),
            "info" => log::info!("{}", text),
            "debug" => log::debug!("{}", text),
            "trace" => log::trace!("{}", text),
            "console" => actor::println(text),
            other => return unknown(other),
        }
        Ok(().into())
    }
    fn numbers(&self, operation: &str, query: &Query) -> Answer {
        let extras = extras::default();
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
        messaging::default().publish(subject, reply_to, body).map(|_| ().into()).map_err(|error| error.to_string())
    }
    fn request(&self, subject: &str, body: &[u8], timeout_ms: u64) -> Bytes {
        messaging::default().request(subject, body, timeout_ms).map_err(|error| error.to_string())
    }
    fn call(&self, target: &str, operation: &str, payload: &[u8]) -> Bytes {
        untyped::default().call(target, operation, payload.to_vec()).map_err(|error| error.to_string())
    }
}

//! E4 of 2021: the key-value counter with wasmbus-rpc 0.3. It imports the guest's functions from `wapc`,
//! the host's from `wasmbus`, and reads structures as maps only.

use wasmbus_rpc::actor::prelude::*;
use wasmcloud_interface_httpserver::{HttpRequest, HttpResponse, HttpServer, HttpServerReceiver};
use wasmcloud_interface_keyvalue::{IncrementRequest, KeyValue, KeyValueSender};

#[derive(Debug, Default, Actor, HealthResponder)]
#[services(Actor, HttpServer)]
struct Counter {}

#[async_trait]
impl HttpServer for Counter {
    async fn handle_request(&self, ctx: &Context, req: &HttpRequest) -> RpcResult<HttpResponse> {
        let increment = IncrementRequest { key: req.path.replace('/', ":"), value: 1 };
        let counter = KeyValueSender::new().increment(ctx, &increment).await?;
        let body = serde_json::json!({ "counter": counter }).to_string().into_bytes();
        Ok(HttpResponse { body, ..Default::default() })
    }
}

//! Counts the requests of each path in a key-value store: `GET /tea` answers `{"counter":1,"path":"/tea"}`.
//!
//! Claims wasmcloud:httpserver and wasmcloud:keyvalue. The key of path `/a/b` is `:a:b`.

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
        HttpResponse::json(serde_json::json!({ "counter": counter, "path": req.path }), 200)
    }
}

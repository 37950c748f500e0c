//! Pinger: each HTTP request calls the actor behind the call alias examples/ponger and shows its answer:
//! `{"reply":"pong"}`. Another alias or key may stand in the path: `GET /examples/ponger`.
//!
//! Claims wasmcloud:httpserver. Calling another actor needs neither claim nor link.

use wasmbus_rpc::actor::prelude::*;
use wasmbus_rpc::common::deserialize;
use wasmcloud_interface_httpserver::{HttpRequest, HttpResponse, HttpServer, HttpServerReceiver};

#[derive(Debug, Default, Actor, HealthResponder)]
#[services(Actor, HttpServer)]
struct Pinger {}

#[async_trait]
impl HttpServer for Pinger {
    async fn handle_request(&self, ctx: &Context, req: &HttpRequest) -> RpcResult<HttpResponse> {
        let target = match req.path.trim_start_matches('/') {
            "" => "examples/ponger",
            named => named,
        };
        let ping = Message { method: "Pingpong.Ping", arg: Vec::new().into() };
        let reply = WasmHost::to_actor(target)?.send(ctx, ping, None).await?;
        let reply: String = deserialize(&reply)?;
        HttpResponse::json(serde_json::json!({ "reply": reply }), 200)
    }
}

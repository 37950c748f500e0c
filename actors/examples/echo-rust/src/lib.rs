//! Echo: a request with a body gets that body and its content type back, a request without one gets
//! `{"method":"GET","path":"/","query":""}`.
//!
//! Claims wasmcloud:httpserver.

use wasmbus_rpc::actor::prelude::*;
use wasmcloud_interface_httpserver::{HeaderMap, HttpRequest, HttpResponse, HttpServer, HttpServerReceiver};

#[derive(Debug, Default, Actor, HealthResponder)]
#[services(Actor, HttpServer)]
struct Echo {}

#[async_trait]
impl HttpServer for Echo {
    async fn handle_request(&self, _ctx: &Context, req: &HttpRequest) -> RpcResult<HttpResponse> {
        if req.body.is_empty() {
            let seen = serde_json::json!({ "method": req.method, "path": req.path, "query": req.query_string });
            return HttpResponse::json(seen, 200);
        }
        let mut header = HeaderMap::new();
        if let Some((_, types)) = req.header.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            header.insert("content-type".to_string(), types.clone());
        }
        Ok(HttpResponse { status_code: 200, header, body: req.body.clone() })
    }
}

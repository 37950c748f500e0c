//! Dice: `GET /` throws one die, `GET /3` three of them: `{"dice":[4,1,6],"sum":11,"throw":"9b2e..."}`.
//! Each throw has an id and goes to the actor's log; more than 20 dice are refused.
//!
//! Claims wasmcloud:httpserver, wasmcloud:builtin:logging and wasmcloud:builtin:numbergen.

use wasmbus_rpc::actor::prelude::*;
use wasmcloud_interface_httpserver::{HttpRequest, HttpResponse, HttpServer, HttpServerReceiver};
use wasmcloud_interface_logging::{info, warn};
use wasmcloud_interface_numbergen::{generate_guid, random_in_range};

const MOST_DICE: u32 = 20;

#[derive(Debug, Default, Actor, HealthResponder)]
#[services(Actor, HttpServer)]
struct Dice {}

#[async_trait]
impl HttpServer for Dice {
    async fn handle_request(&self, _ctx: &Context, req: &HttpRequest) -> RpcResult<HttpResponse> {
        let wanted = match req.path.trim_matches('/') {
            "" => Some(1),
            number => number.parse::<u32>().ok().filter(|n| (1..=MOST_DICE).contains(n)),
        };
        let Some(wanted) = wanted else {
            warn!("refused to throw {} dice", req.path);
            let help = format!("ask for 1 to {MOST_DICE} dice, for example GET /3");
            return HttpResponse::json(serde_json::json!({ "error": help }), 400);
        };
        let throw = generate_guid().await?;
        let mut dice = Vec::new();
        for _ in 0..wanted {
            dice.push(random_in_range(1, 6).await?);
        }
        let sum: u32 = dice.iter().sum();
        info!("throw {}: {:?} makes {}", throw, dice, sum);
        HttpResponse::json(serde_json::json!({ "dice": dice, "sum": sum, "throw": throw }), 200)
    }
}

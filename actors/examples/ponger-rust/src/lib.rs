//! Ponger: answers `Pingpong.Ping`, which has no argument, with the text `pong`.
//!
//! Claims nothing. Its call alias is examples/ponger; anybody on the lattice may call it.

use wasmbus_rpc::actor::prelude::*;
use wasmbus_rpc::common::serialize;

#[derive(Debug, Default, Actor, HealthResponder)]
#[services(Actor, Pingpong)]
struct Ponger {}

/// The contract between the two, as an interface generator would write it.
#[async_trait]
trait Pingpong {
    async fn ping(&self, ctx: &Context) -> RpcResult<String>;
}

#[async_trait]
trait PingpongReceiver: MessageDispatch + Pingpong {
    async fn dispatch(&self, ctx: &Context, message: Message<'_>) -> RpcResult<Vec<u8>> {
        match message.method {
            "Ping" => serialize(&self.ping(ctx).await?),
            other => Err(RpcError::MethodNotHandled(format!("Pingpong.{other}"))),
        }
    }
}

#[async_trait]
impl Pingpong for Ponger {
    async fn ping(&self, _ctx: &Context) -> RpcResult<String> {
        Ok("pong".to_string())
    }
}

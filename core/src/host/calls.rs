//! Calls that are handled in the host's language, and authorities that stand there.
//!
//! A handler's errand has the request as a map, and is answered with the list of result and writeback. The handler's sign to end
//! reaches the host; what it answers afterwards is ignored. When the host has gone, a call is not answered: its server
//! closes, and another one takes the request.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Errands, Host};
use crate::envelope::codec::{Writer, decode};
use crate::envelope::{Map, Value};
use crate::error::{Error, Result};
use crate::rpc::{Failure, Handler, Identity, Reply, Request, Serving};
use crate::tools::{Authority, ToolService};

/// A handler of calls in the host's language.
#[derive(Debug, Clone)]
pub struct HostHandler {
    errands: Errands,
    function: u32,
}

impl HostHandler {
    /// The function that the host knows by this number.
    pub fn new(errands: Errands, function: u32) -> Self {
        Self { errands, function }
    }
}

#[async_trait]
impl Handler for HostHandler {
    async fn call(&self, request: Request) -> std::result::Result<Reply, Failure> {
        let (cancel, name) = (request.cancel.clone(), request.name().to_owned());
        let arguments = written(&request)?;
        let mut under_way = self.errands.post(self.function, name, arguments, Some(request.bus));
        let answer = tokio::select! {
            biased;
            answer = under_way.answer() => answer,
            reason = cancel.cancelled() => {
                under_way.cancel(reason);
                under_way.answer().await
            }
        };
        match answer {
            Ok(answer) => Ok(reply(&answer)?),
            // It was not run to its end, and somebody else may: whoever runs us is about to close.
            Err(failed) if failed.gone => std::future::pending().await,
            Err(failed) => Err(failed.into_failure()),
        }
    }
}

/// A request as the host is told it: with the names of the wire, and how much time is left.
fn written(request: &Request) -> Result<Bytes> {
    let envelope = &request.envelope;
    let mut writer = Writer::new(&Errands::limits());
    let identity = identity(&Identity::from(envelope));
    writer.map(identity.len() + 8);
    writer.inside(|writer| {
        for (name, text) in &identity {
            writer.text(name);
            match text {
                Some(text) => writer.text(text),
                None => writer.nil(),
            }
        }
        for (name, text) in
            [("name", request.name()), ("trace_id", &envelope.trace_id), ("correlation_id", &envelope.correlation_id)]
        {
            writer.text(name);
            writer.text(text);
        }
        for (name, text) in [("traceparent", request.traceparent()), ("tracestate", request.tracestate())] {
            writer.text(name);
            match text {
                Some(text) => writer.text(text),
                None => writer.nil(),
            }
        }
        writer.text("arguments");
        writer.map_value(request.arguments());
        writer.text("attempt");
        writer.int(request.attempt.into());
        writer.text("time_left");
        match request.time_left() {
            Some(left) => writer.float(left.as_secs_f64()),
            None => writer.nil(),
        }
    });
    writer.finish()
}

fn identity(identity: &Identity) -> [(&'static str, Option<String>); 7] {
    let text = |text: &String| Some(text.clone());
    [
        ("platform", text(&identity.platform)),
        ("channel_id", text(&identity.channel_id)),
        ("user_id", text(&identity.user_id)),
        ("user_name", text(&identity.user_name)),
        ("guild_id", identity.guild_id.clone()),
        ("message_id", text(&identity.message_id)),
        ("observability_request_id", text(&identity.observability_request_id)),
    ]
}

fn reply(answer: &[u8]) -> Result<Reply> {
    let Value::List(mut answer) = decode(answer, &Errands::limits())? else { return Err(broken()) };
    match (answer.pop(), answer.pop()) {
        (Some(Value::Map(writeback)), Some(result)) => Ok(Reply::new(result).with_writeback(writeback)),
        _ => Err(broken()),
    }
}

/// Both sides are ours.
fn broken() -> Error {
    Error::internal("a handler's answer crossed broken")
}

/// An [`Authority`] in the host's language: asked `allows` with the identity and a `permission`, it answers true or false.
#[derive(Debug, Clone)]
pub struct HostAuthority {
    errands: Errands,
    function: u32,
}

impl HostAuthority {
    /// The function that the host knows by this number.
    pub fn new(errands: Errands, function: u32) -> Self {
        Self { errands, function }
    }
}

#[async_trait]
impl Authority for HostAuthority {
    async fn allows(&self, caller: &Identity, permission: &str) -> Result<bool> {
        let texts = identity(caller).into_iter().map(|(name, text)| (name.to_owned(), Value::from(text)));
        let mut arguments: Map = texts.collect();
        arguments.insert("permission", permission);
        let answer = self.errands.run(self.function, "allows", &arguments.into()).await?;
        answer.as_bool().ok_or_else(|| {
            Error::invalid(format!("an authority answers true or false, not {}", answer.type_name()))
                .with_context("field", "authority")
        })
    }
}

/// What serves calls.
#[async_trait]
pub trait Serves: Send + Sync {
    /// Ends it: within this time for what runs, or the configured one.
    async fn end(&self, drain_timeout: Option<Duration>) -> Result<()>;
}

#[async_trait]
impl Serves for Serving {
    async fn end(&self, drain_timeout: Option<Duration>) -> Result<()> {
        match drain_timeout {
            Some(limit) => self.close_within(limit).await,
            None => self.close().await,
        }
    }
}

#[async_trait]
impl Serves for ToolService {
    async fn end(&self, drain_timeout: Option<Duration>) -> Result<()> {
        match drain_timeout {
            Some(limit) => self.close_within(limit).await,
            None => self.close().await,
        }
    }
}

/// What serves calls with handlers of a host. It ends with the host, at once, so that others take its requests; dropped by the
/// host, it drains in the background for as long as the host is there.
#[derive(Debug)]
pub struct Served<S: Serves + 'static> {
    serves: Arc<S>,
    errands: Errands,
}

impl<S: Serves + 'static> Served<S> {
    /// Watches over it. Must be called on the I/O thread.
    pub fn new(serves: S, errands: Errands) -> Self {
        let serves = Arc::new(serves);
        drop(tokio::spawn(end_with(errands.clone(), &serves)));
        Self { serves, errands }
    }

    /// What serves.
    pub fn get(&self) -> &Arc<S> {
        &self.serves
    }
}

impl<S: Serves + 'static> Drop for Served<S> {
    fn drop(&mut self) {
        let (serves, errands) = (self.serves.clone(), self.errands.clone());
        let Ok(host) = Host::get() else { return };
        host.spawn(async move {
            tokio::select! {
                biased;
                () = errands.closed() => told(serves.end(Some(Duration::ZERO)).await),
                ended = serves.end(None) => told(ended),
            }
        });
    }
}

/// Ends what serves when its host has gone, at once.
fn end_with<S: Serves + 'static>(errands: Errands, serves: &Arc<S>) -> impl Future<Output = ()> + Send + use<S> {
    let serves = Arc::downgrade(serves);
    async move {
        errands.closed().await;
        if let Some(serves) = serves.upgrade() {
            told(serves.end(Some(Duration::ZERO)).await);
        }
    }
}

fn told(ended: Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "what served calls could not be closed when its host went");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bus;
    use crate::envelope::{Map, ToolRequest, codec};
    use crate::host::{Completions, Order};
    use crate::rpc::{CallOptions, Cancel, CancelReason, HandlerOptions, Server};

    fn host() -> (Errands, Arc<Completions<Order>>) {
        let queue = Arc::new(Completions::new(|| {}));
        let orders = queue.clone();
        (Errands::new(move |order| orders.push(order)), queue)
    }

    fn encoded(value: impl Into<Value>) -> Bytes {
        codec::encode(&value.into(), &Errands::limits()).unwrap()
    }

    async fn next(queue: &Completions<Order>) -> Order {
        for _ in 0..10_000 {
            if let Some(order) = queue.drain().pop() {
                return order;
            }
            tokio::task::yield_now().await;
        }
        panic!("nothing was ordered");
    }

    #[tokio::test]
    async fn a_handler_of_the_host_has_the_request_and_gives_result_and_writeback() {
        let bus = Bus::connect("memory://").await.unwrap();
        let (errands, queue) = host();
        let handler = HostHandler::new(errands.clone(), 3);
        let envelope = ToolRequest::new("weather", Map::from([("city", "Berlin")]), "x").with_trace_id("t1");
        let request = Request::new(envelope, (*bus).clone());
        let running = tokio::spawn(async move { handler.call(request).await });
        let Order::Do(errand) = next(&queue).await else { panic!("something is to be done") };
        let told = codec::decode(&errand.arguments, &Errands::limits()).unwrap();
        assert_eq!((errand.function, &*errand.what, errand.bus.is_some()), (3, "weather", true));
        assert_eq!(told.get("arguments"), Some(&Value::Map(Map::from([("city", "Berlin")]))));
        assert_eq!(told.get("trace_id").and_then(Value::as_str), Some("t1"));
        assert_eq!(told.get("time_left"), Some(&Value::Nil));
        let answer = Value::List(vec!["21".into(), Map::from([("sent_files", 1)]).into()]);
        errands.answer(errand.id, true, encoded(answer));
        let reply = running.await.unwrap().unwrap();
        assert_eq!((reply.result, reply.writeback.len()), ("21".into(), 1));
        bus.close().await.unwrap();
    }

    #[tokio::test]
    async fn the_sign_to_end_reaches_the_host() {
        let bus = Bus::connect("memory://").await.unwrap();
        let (errands, queue) = host();
        let (handler, cancel) = (HostHandler::new(errands.clone(), 1), Cancel::new());
        let request = Request::new(ToolRequest::new("x", Map::new(), ""), (*bus).clone()).with_cancel(cancel.clone());
        let running = tokio::spawn(async move { handler.call(request).await });
        let Order::Do(errand) = next(&queue).await else { panic!("something is to be done") };
        cancel.cancel_for(CancelReason::Timeout);
        let Order::End { id, reason } = next(&queue).await else { panic!("it is to end") };
        assert_eq!((id, reason), (errand.id, CancelReason::Timeout));
        errands.answer(id, false, encoded(Map::from([("kind", "cancelled")])));
        assert!(running.await.unwrap().is_err());
        bus.close().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_whose_host_goes_leaves_its_requests_to_others() {
        let bus = Bus::connect("memory://").await.unwrap();
        let (errands, queue) = host();
        let first = Server::new(&bus)
            .handle("x", Arc::new(HostHandler::new(errands.clone(), 1)), HandlerOptions::default())
            .open()
            .await
            .unwrap();
        let first = Served::new(first, errands.clone());
        let caller = bus.clone();
        let call = tokio::spawn(async move { caller.call_with("x", Map::new(), CallOptions::default()).await });
        let Order::Do(_) = next(&queue).await else { panic!("something is to be done") };
        let (others, theirs) = host();
        let second = Server::new(&bus)
            .handle("x", Arc::new(HostHandler::new(others.clone(), 1)), HandlerOptions::default())
            .open()
            .await
            .unwrap();
        errands.close();
        let errand = loop {
            match theirs.drain().pop() {
                Some(Order::Do(errand)) => break errand,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        others.answer(errand.id, true, encoded(Value::List(vec!["2".into(), Map::new().into()])));
        assert_eq!(call.await.unwrap().unwrap().result, "2".into());
        first.get().close().await.unwrap();
        second.close().await.unwrap();
        bus.close().await.unwrap();
    }
}

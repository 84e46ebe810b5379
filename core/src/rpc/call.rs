//! Making a call, from its options to its end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::answer::{self, Answer};
use super::caller::{Calls, Ticket};
use super::memo;
use super::options::{CallOptions, Identity, Memo};
use crate::envelope::{Action, Envelope, Map, Outbound, ToolReply, ToolRequest, Value, codec};
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::publish::{Origin, Outgoing, PublishOptions, Publisher, Target};
use crate::topology::{self, Name};
use crate::trace::State;
use crate::transport::{Group, Ordering};

impl Publisher {
    /// Calls a name with arguments of any serializable type (a struct or map) and gives the result as a type of your own.
    ///
    /// `Remote` when the handler failed, `Timeout`, `Expired`, `Cancelled`, `NoWorker`; `Malformed` when the result is of
    /// another type. Made through a delivery's bus, a finished call is remembered with the delivery. Dropping the call
    /// cancels it.
    pub async fn call<A: Serialize + ?Sized, R: DeserializeOwned>(&self, name: &str, arguments: &A) -> Result<R> {
        let Value::Map(arguments) = codec::to_value(arguments)? else {
            return Err(Error::invalid("the arguments of a call have names: give a struct or a map")
                .with_context("field", "arguments"));
        };
        self.call_with(name, arguments, CallOptions::default()).await?.decode()
    }

    /// Calls a name with options; the whole answer, with what is to be written back.
    pub async fn call_with(&self, name: &str, arguments: Map, options: CallOptions) -> Result<Answer> {
        if name.is_empty() {
            return Err(Error::invalid("a call must name what it calls").with_context("field", "name"));
        }
        options.validate()?;
        let topology = self.topology();
        let service = options.service.as_deref();
        let stream = topology.service_stream(service);
        let group =
            Group::new(stream.clone(), topology.service_group(service), Ordering::None, self.config().retention);
        let memo = memo::name(self, &options.memo, name, &arguments)?;
        let key = memo.as_deref().map(|memo| topology::memo_key(&stream, memo));
        let call = Call::new(self, name, group, &options)?;
        // A first delivery was never here before; the server looks in any case.
        let again = options.memo != Memo::Auto || self.origin().is_some_and(|origin| origin.redelivered);
        if let Some(key) = key.filter(|_| again) {
            let remembered = call.limited(memo::look(&self.store(), &key, &self.limits())).await?;
            if let Some(reply) = remembered {
                return answer::of(reply, name, true);
            }
        }
        let mut request = ToolRequest::new(name, arguments, &*call.calls.replies).with_deadline_ms(call.deadline_ms);
        request.memo = memo;
        request.schema_hash = options.schema_hash;
        if let Some(identity) = options.identity.or_else(|| caller(self)) {
            identity.put(&mut request);
        }
        request.trace_id.clone_from(&call.trace_id);
        let id = request.correlation_id.clone();
        let target = match options.service {
            None => Target::ToolsRequest,
            Some(name) => Target::Service { name },
        };
        call.run(id, target, request.encode_with(&self.limits())).await
    }

    /// Calls a method of a platform's gateway (`fetch_history`, `is_channel_valid`, `execute_tool`, …): the request rides the
    /// platform's outbound stream, beside what is sent there. Nothing is remembered.
    ///
    /// Ends as [`Publisher::call`] does.
    pub async fn call_gateway(
        &self,
        platform: &str,
        method: &str,
        params: Map,
        options: CallOptions,
    ) -> Result<Answer> {
        for (field, value) in [("platform", platform), ("method", method)] {
            if value.is_empty() {
                return Err(Error::invalid(format!("a call of a gateway needs a {field}")).with_context("field", field));
            }
        }
        options.validate()?;
        if options.service.is_some() || !matches!(options.memo, Memo::Auto | Memo::Off) {
            return Err(Error::invalid("a gateway's calls have neither a service nor a memo")
                .with_context("field", if options.service.is_some() { "service" } else { "memo" }));
        }
        let topology = self.topology();
        let (stream, group) = (topology.outbound_stream(platform), topology.gateway_group(platform));
        let group = Group::new(stream, group, Ordering::Lanes, self.config().retention);
        let call = Call::new(self, method, group, &options)?;
        let id = Uuid::new_v4().simple().to_string();
        let channel = params.text("channel_id").unwrap_or_default().to_owned();
        let mut request = Outbound::rpc(method, params, &*call.calls.replies, &id)
            .with_channel(channel)
            .with_platform(platform)
            .with_trace_id(&call.trace_id);
        if let Action::Rpc(rpc) = &mut request.action {
            rpc.deadline_ms = Some(call.deadline_ms);
        }
        call.run(id, Target::Outbound { platform: platform.into() }, request.encode_with(&self.limits())).await
    }
}

/// Whose message the delivery is about that the call is made in.
fn caller(bus: &Publisher) -> Option<Identity> {
    bus.origin()?.caller(&bus.limits()).map(Identity::from)
}

/// A call that is being made.
struct Call<'a> {
    bus: &'a Publisher,
    calls: Arc<Calls>,
    name: &'a str,
    group: Group,
    cancel: Option<super::Cancel>,
    timeout: Duration,
    /// By our monotonic clock.
    deadline: Duration,
    deadline_ms: u64,
    trace_id: String,
    traceparent: Option<String>,
    tracestate: Option<String>,
}

impl<'a> Call<'a> {
    fn new(bus: &'a Publisher, name: &'a str, group: Group, options: &CallOptions) -> Result<Self> {
        bus.ensure_open()?;
        if options.cancel.as_ref().is_some_and(super::Cancel::is_cancelled) {
            return Err(answer::cancelled().with_context("call", name));
        }
        let calls = bus.calls();
        let (now, wall_ms) = (bus.clock().now(), bus.clock().wall_ms());
        let mut timeout = options.timeout.unwrap_or(calls.config.timeout);
        let origin = bus.origin();
        if let Some(until) = origin.and_then(|origin| origin.deadline_ms) {
            timeout = timeout.min(Duration::from_millis(until.saturating_sub(wall_ms)));
        }
        if timeout.is_zero() {
            return Err(answer::expired().with_context("call", name));
        }
        let given = (options.traceparent.clone(), options.tracestate.clone());
        let (traceparent, tracestate) = Origin::context(origin.map(AsRef::as_ref), given.0, given.1);
        let trace_id = options.trace_id.clone().or_else(|| origin.map(|origin| origin.trace_id.clone()));
        Ok(Self {
            bus,
            calls,
            name,
            group,
            cancel: options.cancel.clone(),
            timeout,
            deadline: now.saturating_add(timeout),
            deadline_ms: wall_ms.saturating_add(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            trace_id: trace_id.unwrap_or_default(),
            traceparent,
            tracestate,
        })
    }

    /// Sends the request and awaits its answer.
    async fn run(self, id: String, target: Target, data: Result<bytes::Bytes>) -> Result<Answer> {
        let tracer = self.bus.tracing();
        let detail = Map::from([("call", Value::from(self.name)), ("request", id.as_str().into())]);
        if let Some(tracer) = &tracer {
            tracer.note(&self.trace_id, State::ToolExecuting, detail.clone());
        }
        let trace_id = self.trace_id.clone();
        let ended = self.run_untraced(id, target, data).await;
        if let Some(tracer) = &tracer {
            let mut detail = detail;
            detail.insert("ended", ended.as_ref().map_or_else(Error::code, |_| "ok"));
            tracer.note(&trace_id, State::Inferring, detail);
        }
        ended
    }

    async fn run_untraced(self, id: String, target: Target, data: Result<bytes::Bytes>) -> Result<Answer> {
        let data = data.map_err(|error| error.with_stored(Stored::No))?;
        self.limited(self.calls.open()).await?;
        let stream: Name = self.group.stream.clone();
        let (mut ticket, told) = self.calls.register(&id, stream, self.deadline_ms)?;
        let mut unsure = None;
        let answered =
            self.exchange(&mut ticket, told, Outgoing { target, data, options: self.publishing() }, &mut unsure);
        let ended = self.limited(answered).await;
        match ended {
            Ok(reply) => {
                ticket.done();
                answer::of(reply, self.name, false)
            }
            Err(error) => Err(match unsure {
                Some(unsure) => error.with_source(unsure).with_stored(Stored::Unknown),
                None => error,
            }),
        }
    }

    async fn exchange(
        &self,
        ticket: &mut Ticket,
        told: oneshot::Receiver<ToolReply>,
        request: Outgoing,
        unsure: &mut Option<Error>,
    ) -> Result<ToolReply> {
        ticket.sending();
        match self.bus.publish_one(request).await {
            Ok(_) => {}
            // It may be on its way: the answer tells.
            Err(error) if may_be_stored(&error) => *unsure = Some(error),
            Err(error) => {
                ticket.done();
                return Err(error.with_context("call", self.name));
            }
        }
        let patience = self.calls.config.no_worker_after;
        let listens = self.group.ordering == Ordering::None;
        tokio::select! {
            biased;
            reply = told => reply.map_err(|_| Error::closed("bus")),
            () = self.calls.presence.nobody(&self.group, listens, patience) => Err(Error::new(
                ErrorKind::NoWorker,
                format!("nobody serves {:?}: no server was there for {} s; start one", self.name, patience.as_secs_f64()),
            ).with_context("call", self.name).with_context("stream", &self.group.stream)),
        }
    }

    /// Runs a step of the call for as long as the call may take.
    async fn limited<T>(&self, step: impl Future<Output = Result<T>>) -> Result<T> {
        let cancelled = async {
            match &self.cancel {
                Some(cancel) => cancel.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = step => done,
            _ = cancelled => Err(answer::cancelled().with_context("call", self.name)),
            () = self.bus.clock().sleep_until(self.deadline) => Err(Error::new(
                ErrorKind::Timeout,
                format!("no answer came within {} s", self.timeout.as_secs_f64()),
            ).with_context("call", self.name)),
        }
    }

    fn publishing(&self) -> PublishOptions {
        PublishOptions {
            trace_id: Some(self.trace_id.clone()),
            traceparent: self.traceparent.clone(),
            tracestate: self.tracestate.clone(),
            ..PublishOptions::default()
        }
    }
}

fn may_be_stored(error: &Error) -> bool {
    let unknown = error.context().iter().any(|(key, value)| *key == "stored" && value == Stored::Unknown.as_str());
    unknown && matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
}

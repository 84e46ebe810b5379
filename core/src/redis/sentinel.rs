//! Sentinels: who is primary, and when that changes.
//!
//! All sentinels are asked side by side, and the place that most of them name counts, so that one that has fallen behind
//! leads nobody astray. What is found there must call itself primary. Beside that one sentinel is listened to, so that a
//! primary that can still be reached, but has been replaced, is left at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{ConnectionInfo, PushInfo, PushKind, Value};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;

use super::address::Service;
use super::connect::Target;
use super::error::by_client;
use super::link::unwrapped;
use super::parse;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};

/// Host and port.
pub(super) type Place = (String, u16);

/// What a sentinel says when another server has become primary: `service host port host port`, the old one and the new one.
const SWITCHED: &str = "+switch-master";

/// The pause before another sentinel is listened to.
const PAUSE: Duration = Duration::from_millis(500);

/// Where the primary is.
pub(super) async fn find(target: &Target, service: &Service) -> Result<Place> {
    let mut asked: FuturesUnordered<_> =
        service.sentinels.iter().map(|sentinel| ask(target, sentinel, &service.name)).collect();
    let mut votes: HashMap<Place, usize> = HashMap::new();
    let (mut strangers, mut failure) = (0, None);
    while let Some(answer) = asked.next().await {
        match answer {
            Ok(Some(place)) => {
                let count = votes.entry(place.clone()).or_default();
                *count += 1;
                if *count * 2 > service.sentinels.len() {
                    return Ok(place);
                }
            }
            Ok(None) => strangers += 1,
            // A password that is refused says more than a sentinel that is down.
            Err(error) if error.kind() == ErrorKind::Auth => failure = Some(error),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    if let Some((place, _)) = votes.into_iter().max_by_key(|(_, count)| *count) {
        return Ok(place);
    }
    let error = match failure {
        Some(error) if error.kind() == ErrorKind::Auth => return Err(error),
        _ if strangers > 0 => {
            Error::invalid(format!("no sentinel knows a service {:?}; correct the address", service.name))
        }
        Some(error) => Error::unavailable("none of the sentinels answers").with_source(error),
        None => Error::unavailable("none of the sentinels answers"),
    };
    Err(error.with_context("server", target.shown()))
}

async fn ask(target: &Target, sentinel: &ConnectionInfo, name: &str) -> Result<Option<Place>> {
    let deaf = |_: PushInfo| Ok::<(), Error>(());
    let mut connection = target.dial(sentinel.clone(), Some(target.options.connect_timeout), deaf).await?;
    place(&mut connection, name).await
}

async fn place(connection: &mut MultiplexedConnection, name: &str) -> Result<Option<Place>> {
    let mut cmd = ::redis::cmd("SENTINEL");
    cmd.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let reply = connection.send_packed_command(&cmd).await.and_then(unwrapped).map_err(|error| by_client(&error))?;
    if reply == Value::Nil {
        return Ok(None);
    }
    let mut items = parse::array(reply)?.into_iter();
    let host = parse::text(items.next().unwrap_or_default())?;
    let port = parse::number(&items.next().unwrap_or_default())?;
    let port = u16::try_from(port).map_err(|_| Error::internal(format!("a sentinel named port {port}")))?;
    Ok(Some((host, port)))
}

/// Fails unless the server calls itself primary. One that does not let us ask is believed: a write tells.
pub(super) async fn check_role(connection: &mut MultiplexedConnection) -> Result<()> {
    let reply = connection.send_packed_command(&::redis::cmd("ROLE")).await.and_then(unwrapped);
    let reply = match reply.map_err(|error| by_client(&error)) {
        Err(error) if error.kind() == ErrorKind::Auth => return Ok(()),
        reply => reply?,
    };
    let role = parse::text(parse::array(reply)?.into_iter().next().unwrap_or_default())?;
    if role == "master" {
        return Ok(());
    }
    Err(Error::unavailable("the server that the sentinels name is no primary yet; it is failing over, try again"))
}

/// Listens to one sentinel after the other, for ever, and calls `named` with the place of the primary whenever one is
/// named: at the beginning, and after a switch.
pub(super) async fn listen(
    target: &Target,
    service: &Service,
    clock: &dyn Clock,
    named: impl Fn(Place) + Send + Sync + 'static,
) {
    let named = Arc::new(named);
    for sentinel in service.sentinels.iter().cycle() {
        if let Err(error) = listen_to(target, sentinel, &service.name, named.clone()).await {
            tracing::debug!(%error, "a sentinel cannot be listened to");
        }
        clock.sleep(PAUSE).await;
    }
}

async fn listen_to(
    target: &Target,
    sentinel: &ConnectionInfo,
    name: &str,
    named: Arc<impl Fn(Place) + Send + Sync + 'static>,
) -> Result<()> {
    let ended = Arc::new(Notify::new());
    let (end, tell, wanted) = (ended.clone(), named.clone(), name.to_owned());
    let hear = move |push: PushInfo| {
        match push.kind {
            PushKind::Message => {
                if let Some(place) = push.data.last().and_then(|text| switched(text, &wanted)) {
                    tell(place);
                }
            }
            PushKind::Disconnection => end.notify_one(),
            _ => {}
        }
        Ok::<(), Error>(())
    };
    let mut connection = target.dial(sentinel.clone(), Some(target.options.connect_timeout), hear).await?;
    connection.subscribe(SWITCHED).await.map_err(|error| by_client(&error))?;
    // What happened before we listened.
    if let Some(place) = place(&mut connection, name).await? {
        named(place);
    }
    ended.notified().await;
    Ok(())
}

fn switched(text: &Value, service: &str) -> Option<Place> {
    let text = match text {
        Value::BulkString(text) => std::str::from_utf8(text).ok()?,
        Value::SimpleString(text) => text,
        _ => return None,
    };
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        [name, _, _, host, port] if name == service => Some((host.to_owned(), port.parse().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_switch_of_our_service_counts() {
        let text = |text: &str| switched(&Value::BulkString(text.as_bytes().to_vec()), "sg");
        assert_eq!(text("sg 10.0.0.1 1 10.0.0.2 2"), Some(("10.0.0.2".to_owned(), 2)));
        for other in ["other 10.0.0.1 1 10.0.0.2 2", "sg 10.0.0.1 1 10.0.0.2", "sg a 1 b x", ""] {
            assert_eq!(text(other), None, "{other}");
        }
    }
}

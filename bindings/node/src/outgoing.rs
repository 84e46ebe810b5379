//! A burst of publishes as it crosses: one buffer of `[where to, options…]` and body in turn, and where each ends.

use bytes::Bytes;
use stargazer_core as sg;
use stargazer_core::envelope::codec::{Reader, Token};
use stargazer_core::{Outgoing, PublishOptions, Target};

/// Reads a burst; one result for each publish in it.
pub(crate) fn read(bytes: &[u8], ends: &[u32]) -> Vec<sg::Result<Outgoing>> {
    let mut start = 0;
    ends.chunks_exact(2)
        .map(|pair| {
            let (head, body) = (bytes.get(start..at(pair[0])), bytes.get(at(pair[0])..at(pair[1])));
            start = at(pair[1]);
            let (Some(head), Some(body)) = (head, body) else { return Err(broken("its ends")) };
            one(head, Bytes::copy_from_slice(body))
        })
        .collect()
}

fn at(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// `[target, name, message_id, key, trace_id, traceparent, tracestate, wait_replicas]`, or only the first two.
fn one(head: &[u8], data: Bytes) -> sg::Result<Outgoing> {
    let mut head = Reader::new(head);
    let (Token::List(fields), Token::Int(target)) = (head.token()?, head.token()?) else {
        return Err(broken("its head"));
    };
    let mut text = || match head.token()? {
        Token::Text(text) => Ok(Some(text.to_owned())),
        Token::Nil => Ok(None),
        _ => Err(broken("an option")),
    };
    let name = text()?.unwrap_or_default();
    let mut options = if fields > 2 {
        PublishOptions {
            message_id: text()?,
            key: text()?,
            trace_id: text()?,
            traceparent: text()?,
            tracestate: text()?,
            wait_replicas: None,
        }
    } else {
        PublishOptions::default()
    };
    if fields > 7 {
        options.wait_replicas = match head.token()? {
            Token::Int(replicas) => Some(u32::try_from(replicas).map_err(|_| broken("a number of replicas"))?),
            Token::Nil => None,
            _ => return Err(broken("a number of replicas")),
        };
    }
    let target = match target {
        0 => Target::Inbound,
        1 => Target::Outbound { platform: name },
        2 => Target::ToolsRequest,
        3 => Target::ToolsReply { stream: name },
        4 => Target::Stream { name },
        _ => return Err(broken("its target")),
    };
    Ok(Outgoing { target, data, options })
}

/// Both sides are ours.
fn broken(what: &str) -> sg::Error {
    sg::Error::internal(format!("a publish crossed with {what} broken"))
}

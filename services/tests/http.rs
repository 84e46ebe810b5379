//! HTTP by hand: what stands on the wire, past any client of ours.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use crate::program::LIMIT;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
}

/// A request that was sent, whose answer is still to come.
pub(crate) struct Pending(TcpStream);

impl Pending {
    pub(crate) fn answer(mut self) -> Answer {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.into(), v.into())).collect();
        Answer { status, headers, body: serde_json::from_str(body).unwrap_or(Value::Null) }
    }
}

/// Sends a request with these further header lines.
pub(crate) fn send(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Pending {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|header| header.starts_with("host:")) {
        head.push_str("host: localhost\r\n");
    }
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    // A refused body may not be read to its end, so writing it may fail; the answer tells.
    let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
    Pending(stream)
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, "GET", path, &[], "").answer()
}

/// Posts a message to the instance `demo`.
pub(crate) fn post(address: SocketAddr, query: &str, body: &Value) -> Answer {
    send_message(address, query, body).answer()
}

/// [`post`] without waiting for the answer.
pub(crate) fn send_message(address: SocketAddr, query: &str, body: &Value) -> Pending {
    let path = format!("/api/v1/instances/demo/messages{query}");
    send(address, "POST", &path, &["content-type: application/json"], &body.to_string())
}

/// A message without anything special.
pub(crate) fn message(text: &str) -> Value {
    json!({"text": text, "user": "ann"})
}

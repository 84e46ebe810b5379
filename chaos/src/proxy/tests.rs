//! The proxy before a server of a few lines: it answers every request with `+<number>`.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::frames::first_frame;
use super::{Cut, Label, Point, Proxy, Verdict, Weather};

const FETCH: &[u8] = b"*1\r\n$10\r\nXREADGROUP\r\n";
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const SOON: Duration = Duration::from_millis(100);

/// A server that counts requests, and its count.
async fn server() -> (u16, tokio::sync::watch::Receiver<u32>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (count, seen) = tokio::sync::watch::channel(0);
    let count = std::sync::Arc::new(count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let mut buffer = Vec::new();
                while stream.read_buf(&mut buffer).await.is_ok_and(|n| n > 0) {
                    while let Some(frame) = first_frame(&buffer) {
                        buffer.drain(..frame.end);
                        count.send_modify(|n| *n += 1);
                        let answer = format!("+{}\r\n", *count.borrow());
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                }
            });
        }
    });
    (port, seen)
}

async fn proxy() -> (Proxy, TcpStream, tokio::sync::watch::Receiver<u32>) {
    let (port, seen) = server().await;
    let proxy = Proxy::start(port).await.unwrap();
    let client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    (proxy, client, seen)
}

async fn ask(client: &mut TcpStream, request: &[u8]) -> std::io::Result<String> {
    client.write_all(request).await?;
    read(client).await
}

async fn read(client: &mut TcpStream) -> std::io::Result<String> {
    let mut buffer = [0; 64];
    let n = client.read(&mut buffer).await?;
    Ok(String::from_utf8_lossy(&buffer[..n]).into_owned())
}

#[tokio::test]
async fn what_is_not_disturbed_passes() {
    let (_proxy, mut client, _) = proxy().await;
    assert_eq!(ask(&mut client, PING).await.unwrap(), "+1\r\n");
    assert_eq!(ask(&mut client, PING).await.unwrap(), "+2\r\n");
}

#[tokio::test]
async fn a_request_stops_at_its_gate_and_goes_on() {
    let (proxy, mut client, seen) = proxy().await;
    let mut gate = proxy.gate(Label::Fetch, Point::Request);
    assert_eq!(ask(&mut client, PING).await.unwrap(), "+1\r\n");
    client.write_all(FETCH).await.unwrap();
    assert!(gate.reached().await);
    assert_eq!(*seen.borrow(), 1);
    gate.decide(Verdict::Pass);
    assert_eq!(read(&mut client).await.unwrap(), "+2\r\n");
}

#[tokio::test]
async fn a_reply_is_lost_after_its_request_has_passed() {
    let (proxy, mut client, seen) = proxy().await;
    let mut gate = proxy.gate(Label::Fetch, Point::Reply);
    client.write_all(FETCH).await.unwrap();
    assert!(gate.reached().await);
    assert_eq!(*seen.borrow(), 1);
    gate.decide(Verdict::Reset);
    assert_eq!(read(&mut client).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn the_right_reply_is_found_among_several() {
    let (proxy, mut client, _) = proxy().await;
    let mut gate = proxy.gate(Label::Fetch, Point::Replied);
    client.write_all(&[PING, FETCH, PING].concat()).await.unwrap();
    assert!(gate.reached().await);
    let mut all = String::new();
    while !all.contains("+2") {
        all += &read(&mut client).await.unwrap();
    }
    assert!(!all.contains("+3"), "{all}");
    gate.decide(Verdict::Reset);
    assert!(read(&mut client).await.is_err());
}

#[tokio::test]
async fn half_a_reply_is_followed_by_a_reset() {
    let (proxy, mut client, _) = proxy().await;
    let mut gate = proxy.gate(Label::Fetch, Point::Reply);
    client.write_all(FETCH).await.unwrap();
    assert!(gate.reached().await);
    gate.decide(Verdict::Half);
    let mut all = Vec::new();
    let error = loop {
        match client.read_buf(&mut all).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(b"+1\r\n".starts_with(&all) && all.len() < 4);
}

#[tokio::test]
async fn a_forgotten_gate_stops_nobody() {
    let (proxy, mut client, _) = proxy().await;
    drop(proxy.gate(Label::Fetch, Point::Request));
    assert_eq!(ask(&mut client, FETCH).await.unwrap(), "+1\r\n");
}

#[tokio::test]
async fn swallowed_requests_never_arrive_and_swallowed_replies_do_nothing() {
    let (proxy, mut client, mut seen) = proxy().await;
    proxy.set(Weather { swallow_requests: true, ..Weather::default() });
    assert!(timeout(SOON, ask(&mut client, PING)).await.is_err());
    assert_eq!(*seen.borrow(), 0);
    proxy.set(Weather { swallow_replies: true, ..Weather::default() });
    client.write_all(PING).await.unwrap();
    seen.wait_for(|n| *n == 1).await.unwrap();
    assert!(timeout(SOON, read(&mut client)).await.is_err());
    proxy.set(Weather::default());
    assert_eq!(ask(&mut client, PING).await.unwrap(), "+2\r\n");
}

#[tokio::test]
async fn slow_and_sliced_bytes_arrive_all() {
    let (proxy, mut client, _) = proxy().await;
    proxy.set(Weather { delay: SOON, ..Weather::default() });
    let start = Instant::now();
    assert_eq!(ask(&mut client, PING).await.unwrap(), "+1\r\n");
    assert!(start.elapsed() >= 2 * SOON);
    proxy.set(Weather { slice: true, ..Weather::default() });
    let mut all = ask(&mut client, PING).await.unwrap();
    while !all.ends_with("\r\n") {
        all += &read(&mut client).await.unwrap();
    }
    assert_eq!(all, "+2\r\n");
}

#[tokio::test]
async fn connections_are_reset_closed_and_refused() {
    let (proxy, mut client, _) = proxy().await;
    assert_eq!(ask(&mut client, PING).await.unwrap(), "+1\r\n");
    proxy.cut(Cut::Reset);
    assert_eq!(read(&mut client).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    assert_eq!(ask(&mut client, PING).await.unwrap(), "+2\r\n");
    proxy.cut(Cut::Close);
    assert_eq!(read(&mut client).await.unwrap(), "");
    proxy.set(Weather { refuse: true, ..Weather::default() });
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    assert!(read(&mut client).await.is_err());
}

//! Addresses, passwords, servers that are not there.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use stargazer_core::ErrorKind;
use stargazer_core::redis::ConnectOptions;
use stargazer_core::transport::Transport;
use stargazer_tests::{Options, Server};

use super::{connect, context, entry, publish, run, start};

#[test]
fn a_server_that_is_not_there_is_waited_for_and_then_unavailable() {
    run(async {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let started = Instant::now();
        let options = ConnectOptions::default().with_wait(Duration::from_millis(300));
        let error = connect(&format!("redis://:s3cret@{free}"), options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(started.elapsed() >= Duration::from_millis(300));
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert_eq!(context(&error, "server"), Some(&*free.to_string()));
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    });
}

#[test]
fn a_server_that_starts_late_is_met() {
    run(async {
        let mut server = Server::start().unwrap();
        server.kill().unwrap();
        let url = server.url();
        let waiting = tokio::spawn(async move { connect(&url, ConnectOptions::default()).await });
        tokio::task::yield_now().await;
        server.restart().unwrap();
        let transport = waiting.await.unwrap().unwrap();
        assert_eq!(transport.ping().await.unwrap().version, server.program().version);
    });
}

#[test]
fn a_wrong_password_is_told_at_once() {
    run(async {
        let options = Options { password: Some("right".into()), ..Options::default() };
        let server = Server::start_with(options).unwrap();
        let at = format!("127.0.0.1:{}", server.port());
        for url in [format!("redis://:wr0ng@{at}"), format!("redis://{at}"), format!("redis://me:wr0ng@{at}")] {
            let started = Instant::now();
            let error = connect(&url, ConnectOptions::default()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
            assert!(started.elapsed() < Duration::from_secs(2));
            assert!(!format!("{error:?}").contains("wr0ng"), "{error:?}");
        }
        connect(&server.url(), ConnectOptions::default()).await.unwrap();
    });
}

#[test]
fn a_unix_socket_and_another_database_are_reached() {
    run(async {
        let (server, _) = start(Options { unix_socket: true, ..Options::default() }).await;
        let by_socket = connect(&server.unix_url().unwrap(), ConnectOptions::default()).await.unwrap();
        publish(&by_socket, entry("x", "")).await.unwrap();
        let other = connect(&format!("{}/3", server.url()), ConnectOptions::default()).await.unwrap();
        publish(&other, entry("x", "")).await.unwrap();
        let length = async |transport: &dyn Transport| transport.stream_info(&"s".into()).await.unwrap().length;
        assert_eq!((length(&by_socket).await, length(&other).await), (1, 1));
    });
}

#[test]
fn what_is_no_redis_server_is_not_waited_for_for_ever() {
    run(async {
        // Takes connections and says nothing.
        let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let options =
            ConnectOptions::default().with_wait(Duration::ZERO).with_connect_timeout(Duration::from_millis(100));
        let error = connect(&format!("redis://{}", silent.local_addr().unwrap()), options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    });
}

#[test]
fn closing_ends_everything_and_may_be_done_twice() {
    run(async {
        let (_server, transport) = start(Options::default()).await;
        let group = super::group("g", super::ACKED);
        let session = super::join(&transport, &group, "a").await;
        let hint = stargazer_core::transport::Hint::Rest;
        let wait = transport.wait(&group, &session.identity, &hint, Duration::from_secs(3600));
        let close = async {
            transport.close().await;
            transport.close().await;
        };
        let (waited, ()) = tokio::join!(wait, close);
        // A wait that had just begun may have ended as it should.
        assert!(waited.is_ok() || waited.is_err_and(|error| error.kind() == ErrorKind::Closed));
        assert_eq!(transport.ping().await.unwrap_err().kind(), ErrorKind::Closed);
        let error = publish(&transport, entry("x", "")).await.unwrap_err();
        assert_eq!((error.kind(), context(&error, "stored")), (ErrorKind::Closed, Some("no")));
    });
}

//! Many at once: a server that comes back is met by as many connections as there were, and not by a storm of attempts.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stargazer_core::transport::Transport;
use stargazer_tests::Server;

use super::{ConnectOptions, RedisTransport, connect, run};

const MANY: usize = 200;

fn connections(server: &Server) -> usize {
    let stats = server.command(&["INFO", "stats"]).unwrap().text();
    let line = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:")).unwrap();
    line.trim().parse().unwrap()
}

async fn together<F: Future<Output: Send> + Send + 'static>(tasks: impl Iterator<Item = F>) -> Vec<F::Output> {
    let tasks: Vec<_> = tasks.map(tokio::spawn).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[test]
fn two_hundred_come_back_within_seconds_and_each_of_them_once() {
    run(async {
        let mut server = Server::start().unwrap();
        let url = server.url();
        let patience = ConnectOptions::default().with_wait(Duration::from_secs(10));
        let opened = together((0..MANY).map(|_| {
            let (url, patience) = (url.clone(), patience.clone());
            async move { Arc::new(connect(&url, patience).await.unwrap()) }
        }));
        let all: Vec<Arc<RedisTransport>> = opened.await;
        server.kill().unwrap();
        let asked = all.iter().cloned().map(|transport| async move { transport.ping().await.is_err() });
        assert!(together(asked).await.into_iter().all(|failed| failed));
        let everybody = together(all.iter().cloned().map(|transport| async move {
            while transport.ping().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }));
        let restart = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            server.restart().unwrap();
            Instant::now()
        };
        let (_, restarted) = tokio::join!(everybody, restart);
        let took = restarted.elapsed();
        // Those that ask here and in the harness come on top.
        let made = connections(&server);
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(made <= MANY + 20, "{made} connections for {MANY}, within {took:?}");
    });
}

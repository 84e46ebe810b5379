//! What only a real server shows: programs of other makes, and the server's own accidents.

use stargazer_core::ErrorKind;
use stargazer_core::envelope::{Envelope, ToolReply, ToolRequest};
use stargazer_tests::{Options, Reply as Word, Server as RedisServer};

use super::*;

fn xadd(server: &RedisServer, stream: &str, data: &[u8]) {
    // As the original writes: body, time, trace.
    let escaped: Vec<String> = data.iter().map(|byte| format!("\\{byte:03}")).collect();
    let escaped = escaped.concat();
    let script = format!("return redis.call('XADD', KEYS[1], '*', 'data', \"{escaped}\", 'ts', '1.5', 'trace_id', '')");
    let word = server.command(&["EVAL", &script, "1", stream]).unwrap();
    assert!(matches!(word, Word::Text(_)), "{word:?}");
}

#[test]
fn a_caller_of_another_make_is_answered_and_its_reply_stream_goes() {
    let server = RedisServer::start().unwrap();
    run(async {
        let bus = bus_with(&server.url(), |config| config.calls.reply_ttl = Duration::from_secs(2)).await;
        let serving = serve(&bus, "double", double()).await;
        let request = ToolRequest::new("double", n(4), "sg:tools:reply:python-1").with_correlation_id("7");
        xadd(&server, "sg:stream:tools", &request.encode().unwrap());
        let replies = "sg:tools:reply:python-1";
        until("it is answered", async || bus.store().exists(replies).await.unwrap()).await;
        let entry = bus.entries(replies, stargazer_core::transport::EntryId::ZERO, 1).await.unwrap().remove(0);
        let reply = ToolReply::decode(stargazer_core::transport::field(&entry.fields, "data").unwrap()).unwrap();
        assert_eq!((&*reply.correlation_id, reply.result), ("7", Ok(8.into())));
        until("it goes", async || !bus.store().exists(replies).await.unwrap()).await;
        serving.close().await.unwrap();
        bus.close().await.unwrap();
    });
}

#[test]
fn a_call_outlives_a_restart_of_the_server() {
    let mut server = RedisServer::start_with(Options { appendonly: true, ..Options::default() }).unwrap();
    run(async {
        let (here, there) = (bus(&server.url()).await, bus(&server.url()).await);
        let (go, gone) = tokio::sync::watch::channel(false);
        let handler = handler_fn(move |_| {
            let mut gone = gone.clone();
            async move {
                gone.wait_for(|gone| *gone).await.unwrap();
                Ok(Reply::new("after all"))
            }
        });
        let serving = serve(&there, "wait", handler).await;
        let asking = here.clone();
        let asked = tokio::spawn(async move { call(&asking, "wait", Map::new()).await });
        until("it runs", async || serving.figures().handlers[0].running == 1).await;
        server.kill().unwrap();
        server.restart().unwrap();
        go.send_replace(true);
        assert_eq!(asked.await.unwrap().unwrap().result, "after all".into());
        // And the next one.
        assert_eq!(call(&here, "wait", Map::new()).await.unwrap().result, "after all".into());
        serving.close().await.unwrap();
        there.close().await.unwrap();
        here.close().await.unwrap();
    });
}

#[test]
fn a_server_that_is_gone_is_an_error_and_no_answer() {
    let server = RedisServer::start().unwrap();
    run(async {
        let bus = bus_with(&server.url(), |config| {
            config.publish_timeout = Duration::from_millis(200);
        })
        .await;
        drop(server);
        let error = call(&bus, "double", n(1)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error}");
        // What was never stored leaves nothing to close.
        bus.close().await.unwrap();
    });
}

/// How often the server was asked for each command since its counters were reset.
fn commands(server: &RedisServer) -> std::collections::BTreeMap<String, u64> {
    let stats = server.command(&["INFO", "commandstats"]).unwrap().text();
    let row = |line: &str| {
        let (name, rest) = line.trim().strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    stats.lines().filter_map(row).collect()
}

#[test]
fn a_call_costs_the_server_little() {
    const CALLS: u64 = 200;
    let server = RedisServer::start().unwrap();
    run(async {
        let (here, there) = (bus(&server.url()).await, bus(&server.url()).await);
        let serving = serve(&there, "double", double()).await;
        call(&here, "double", n(2)).await.unwrap();
        server.command(&["CONFIG", "RESETSTAT"]).unwrap();
        for _ in 0..CALLS {
            call(&here, "double", n(2)).await.unwrap();
        }
        let asked = commands(&server);
        let count = |command: &str| asked.get(command).copied().unwrap_or_default();
        assert_eq!(count("xadd"), 2 * CALLS, "a request and an answer: {asked:?}");
        // Two looks for work, the settle and the answer; a blocking read on either side.
        assert!(count("evalsha") <= 5 * CALLS && count("xread") <= 3 * CALLS, "nobody polls: {asked:?}");
        serving.close().await.unwrap();
        there.close().await.unwrap();
        here.close().await.unwrap();
    });
}

#[test]
fn answers_that_meet_leave_together() {
    const CALLS: i64 = 64;
    let server = RedisServer::start().unwrap();
    run(async {
        let (here, there) = (bus(&server.url()).await, bus(&server.url()).await);
        let together = Arc::new(tokio::sync::Barrier::new(64));
        let handler = handler_fn(move |request: Request| {
            let together = together.clone();
            async move {
                together.wait().await;
                Ok(Reply::new(number(&request)))
            }
        });
        let serving = serve(&there, "together", handler).await;
        call(&here, "nobody", n(0)).await.unwrap_err();
        server.command(&["CONFIG", "RESETSTAT"]).unwrap();
        let calls: Vec<_> = (0..CALLS)
            .map(|i| {
                let here = here.clone();
                tokio::spawn(async move { (i, call(&here, "together", n(i)).await.unwrap()) })
            })
            .collect();
        for asked in calls {
            let (i, answer) = asked.await.unwrap();
            assert_eq!(answer.result, i.into());
        }
        let done = server.command(&["INFO", "commandstats"]).unwrap().text();
        let count = |command: &str| {
            let line = done.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
            line.map_or(0, |line| line.split(',').next().unwrap().parse::<u64>().unwrap())
        };
        assert_eq!((count("xadd"), count("set")), (128, 64), "requests, answers, and that they were answered");
        // The first one waits for nobody, the others go with one that does not wait for its answer.
        assert!((1..=4).contains(&count("exec")), "{} writes", count("exec"));
        serving.close().await.unwrap();
        there.close().await.unwrap();
        here.close().await.unwrap();
    });
}

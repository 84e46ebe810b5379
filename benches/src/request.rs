//! Requests and their replies: ours, and the redis crate doing the least that it takes, blocking, in two threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use redis::{Connection, Value as Word};
use stargazer_core::envelope::{Map, Value};
use stargazer_core::rpc::{CallOptions, HandlerOptions, Reply, Request, Server, handler_fn};
use stargazer_core::{Bus, Error};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::Result;
use crate::lab::{Lab, Sample, expect, p50, runtime};
use crate::raw;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Stream that the raw answers come to.
const REPLIES: &str = "bench:replies";

/// `Bus::call_with` from `depth` tasks on one thread; the server has a bus and a thread of its own.
pub(crate) fn ours(lab: &Lab, messages: usize, depth: usize) -> Result<Sample> {
    lab.clear()?;
    let url = lab.url();
    let (ready, wait) = mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = thread::spawn(move || -> std::result::Result<(), Failure> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            let bus = Bus::connect(url).await?;
            let echo = handler_fn(|request: Request| async move {
                Ok(Reply::new(request.arguments().get("n").cloned().unwrap_or(Value::Nil)))
            });
            let serving = Server::new(&bus).handle("echo", echo, HandlerOptions::default()).open().await?;
            ready.send(())?;
            // Whoever measures may have failed: that ends it, too.
            let _ = stopped.await;
            serving.close().await?;
            bus.close().await?;
            Ok(())
        })
    });
    wait.recv().map_err(|_| "the server of calls did not start")?;
    let (used, p50) = runtime()?.block_on(async {
        let bus = Bus::connect(lab.url()).await?;
        // Opens the reply stream.
        echo(&bus, 0).await?;
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let meter = lab.meter()?;
        for _ in 0..depth {
            let (bus, next) = (bus.clone(), next.clone());
            tasks.spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= messages {
                        return Ok::<_, Error>(latencies);
                    }
                    let began = (depth == 1).then(Instant::now);
                    echo(&bus, n).await?;
                    latencies.extend(began.map(|began| began.elapsed()));
                }
            });
        }
        let mut latencies = Vec::new();
        while let Some(task) = tasks.join_next().await {
            latencies.extend(task??);
        }
        let used = meter.stop()?;
        bus.close().await?;
        Ok::<_, Box<dyn std::error::Error>>((used, p50(latencies)))
    })?;
    drop(stop);
    server.join().map_err(|_| "the server of calls panicked")?.map_err(|error| error.to_string())?;
    Ok(Sample { p50, ..used.over(messages, 0) })
}

async fn echo(bus: &Bus, n: usize) -> std::result::Result<(), Error> {
    let n = n as u64;
    let answer = bus.call_with("echo", Map::from([("n", n)]), CallOptions::default()).await?;
    if answer.result.as_u64() == Some(n) {
        return Ok(());
    }
    Err(Error::internal(format!("{n} was answered with {:?}", answer.result)))
}

/// `depth` requests in one write; the other thread reads them blocking, acknowledges and answers them in one write; then the
/// answers are read blocking. Nothing is decoded, checked or matched.
pub(crate) fn raw(lab: &Lab, messages: usize, depth: usize) -> Result<Sample> {
    lab.clear()?;
    lab.command(&["XGROUP", "CREATE", lab.stream(), lab.group(), "0", "MKSTREAM"])?;
    let mut connection = redis::Client::open(lab.url())?.get_connection()?;
    redis::cmd("DEL").arg(REPLIES).exec(&mut connection)?;
    let worker = redis::Client::open(lab.url())?.get_connection()?;
    let (stream, group) = (lab.stream().to_owned(), lab.group().to_owned());
    let body = lab.load.encoded()?.swap_remove(0);
    let worker = thread::spawn(move || answer(worker, &stream, &group, messages).map_err(|error| error.to_string()));
    let meter = lab.meter()?;
    let (mut sent, mut after, mut latencies) = (0, b"0".to_vec(), Vec::new());
    while sent < messages {
        let began = Instant::now();
        let count = depth.min(messages - sent);
        let mut burst = redis::Pipeline::with_capacity(count);
        for _ in 0..count {
            burst.cmd("XADD").arg(lab.stream()).arg("*").arg("data").arg(&body[..]).ignore();
        }
        burst.exec(&mut connection)?;
        let mut open = count;
        while open > 0 {
            let mut read = redis::cmd("XREAD");
            read.arg("COUNT").arg(open).arg("BLOCK").arg(5000).arg("STREAMS").arg(REPLIES).arg(&after[..]);
            let entries = raw::entries(read.query(&mut connection)?)?;
            let Some((last, _)) = entries.last() else { return Err("no answer within five seconds".into()) };
            after.clone_from(last);
            open -= entries.len();
        }
        sent += count;
        latencies.push(began.elapsed());
    }
    let used = meter.stop()?;
    let answered = worker.join().map_err(|_| "the worker panicked")??;
    expect("requests answered", answered, messages)?;
    let p50 = if depth == 1 { p50(latencies) } else { None };
    Ok(Sample { p50, ..used.over(messages, 0) })
}

fn answer(mut connection: Connection, stream: &str, group: &str, messages: usize) -> Result<usize> {
    let mut answered = 0;
    while answered < messages {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(group).arg("bench").arg("COUNT").arg(64).arg("BLOCK").arg(5000);
        read.arg("STREAMS").arg(stream).arg(">");
        let entries = raw::entries(read.query(&mut connection)?)?;
        if entries.is_empty() {
            return Err("no request within five seconds".into());
        }
        let mut burst = redis::Pipeline::with_capacity(2 * entries.len());
        for (id, fields) in &entries {
            let Some(Word::BulkString(body)) = fields.get(1) else { return Err("a request without a body".into()) };
            burst
                .cmd("XADD")
                .arg(REPLIES)
                .arg("MAXLEN")
                .arg("~")
                .arg(1000)
                .arg("*")
                .arg("data")
                .arg(&body[..])
                .ignore();
            burst.cmd("XACK").arg(stream).arg(group).arg(&id[..]).ignore();
        }
        burst.exec(&mut connection)?;
        answered += entries.len();
    }
    Ok(answered)
}

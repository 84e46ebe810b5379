//! The original's way to order: a lock for each channel, taken after reading.
//!
//! Re-created from its documentation; the pause between two tries and the number in flight are ours (10 ms, 64).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use stargazer_core::envelope::{Envelope, Inbound};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Result;
use crate::lab::{Lab, Sample, expect, runtime};
use crate::load::Spread;
use crate::raw::{entries, fetch};
use crate::witness::Witness;

const IN_FLIGHT: usize = 64;
const PAUSE: Duration = Duration::from_millis(10);
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

type Sent<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Clone)]
struct Worker {
    connection: MultiplexedConnection,
    witness: Arc<Mutex<Witness>>,
    release: Arc<redis::Script>,
    stream: Arc<str>,
    group: Arc<str>,
}

/// `workers` of them, with a connection each, on one thread.
pub(crate) fn locks(lab: &Lab, messages: usize, spread: Spread, workers: usize) -> Result<Sample> {
    lab.fill(messages, spread)?;
    lab.make_group()?;
    let witness = Arc::new(Mutex::new(Witness::new(messages, spread)));
    let used = runtime()?.block_on(async {
        let mut all = Vec::new();
        for _ in 0..workers {
            all.push(Worker {
                connection: redis::Client::open(lab.url())?.get_multiplexed_async_connection().await?,
                witness: witness.clone(),
                release: Arc::new(redis::Script::new(RELEASE)),
                stream: lab.stream().into(),
                group: lab.group().into(),
            });
        }
        let mut runs = JoinSet::new();
        let meter = lab.meter()?;
        for worker in all {
            runs.spawn(worker.run(fetch(lab, 100)));
        }
        while let Some(done) = runs.join_next().await {
            done?.map_err(|error| error.to_string())?;
        }
        meter.stop()
    })?;
    let disorder = witness.lock().unwrap_or_else(PoisonError::into_inner).disorder()?;
    expect("entries pending", lab.pending()?, 0)?;
    Ok(used.over(messages, disorder))
}

impl Worker {
    async fn run(mut self, fetch: redis::Cmd) -> Sent<()> {
        let slots = Arc::new(Semaphore::new(IN_FLIGHT));
        let mut tasks = JoinSet::new();
        loop {
            let reply = fetch.query_async(&mut self.connection).await?;
            let read = entries(reply).map_err(|error| error.to_string())?;
            if read.is_empty() {
                break;
            }
            for (id, fields) in read {
                let slot = slots.clone().acquire_owned().await?;
                let worker = self.clone();
                tasks.spawn(async move {
                    let done = worker.handle(id, fields).await;
                    drop(slot);
                    done
                });
            }
            while let Some(done) = tasks.try_join_next() {
                done??;
            }
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn handle(mut self, id: Vec<u8>, fields: Vec<Value>) -> Sent<()> {
        let body = fields.chunks(2).find_map(|pair| match pair {
            [Value::BulkString(name), Value::BulkString(body)] if name == b"data" => Some(body),
            _ => None,
        });
        let message = Inbound::decode(body.ok_or("an entry without a body")?)?;
        let key = format!("sg:lock:channel:{}", message.channel_id);
        loop {
            let mut lock = redis::cmd("SET");
            lock.arg(&key).arg(&id).arg("NX").arg("PX").arg(30_000);
            if lock.query_async::<Value>(&mut self.connection).await? != Value::Nil {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.witness.lock().unwrap_or_else(PoisonError::into_inner).note(&message.channel_id, &message.message_id);
        let _: i64 = self.release.key(&key).arg(&id).invoke_async(&mut self.connection).await?;
        let mut ack = redis::cmd("XACK");
        ack.arg(&*self.stream).arg(&*self.group).arg(&id);
        let acked: usize = ack.query_async(&mut self.connection).await?;
        if acked == 1 { Ok(()) } else { Err("an entry was acknowledged twice".into()) }
    }
}

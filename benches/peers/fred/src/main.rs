//! fred, from many tasks on tokio's default runtime.
//!
//! Its documentation recommends for throughput one client shared by all tasks, which pipelines what they send
//! (<https://github.com/aembke/fred.rs/blob/main/bin/benchmark/README.md>). Bodies are encoded already.
//!
//! The protocol with the harness is that of `../common`.

use std::error::Error;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{env, fs};

use fred::prelude::{Builder, ClientLike, Config, StreamsInterface};
use fred::types::Value;

const STREAM: &str = "sg:stream:inbound";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [url, _case, messages, depth, envelopes] = &arguments[..] else {
        println!("fred 10.1.0");
        return Ok(());
    };
    let (messages, depth): (usize, usize) = (messages.parse()?, depth.parse()?);
    let bodies = Arc::new(bodies(&fs::read(envelopes.replace(".json", ".bodies"))?));
    let client = Builder::from_config(Config::from_url(url)?).build()?;
    client.init().await?;
    println!("ready");
    std::io::stdin().lock().read_line(&mut String::new())?;
    let (began, before) = (Instant::now(), cpu()?);
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..depth {
        let (client, next, bodies) = (client.clone(), next.clone(), bodies.clone());
        tasks.push(tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= messages {
                    return Ok::<_, fred::error::Error>(());
                }
                let fields = ("data", Value::Bytes(bodies[n % bodies.len()].clone().into()));
                let _: String = client.xadd(STREAM, false, None, "*", vec![fields]).await?;
            }
        }));
    }
    for task in tasks {
        task.await??;
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu()? - before);
    println!(r#"{{"seconds": {seconds}, "cpu": {cpu}, "handled": {messages}, "disorder": 0}}"#);
    client.quit().await?;
    Ok(())
}

/// Bodies, each after its length in four bytes.
fn bodies(mut file: &[u8]) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    while let Some((length, rest)) = file.split_first_chunk() {
        let (body, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        bodies.push(body.to_vec());
        file = rest;
    }
    bodies
}

/// CPU seconds of this process: of all its threads, as the scheduler counts them.
fn cpu() -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0_u64;
    for task in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().ok_or("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(nanoseconds as f64 / 1e9)
}

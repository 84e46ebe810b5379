//! A lock, a leader and a job that runs once in the fleet: `locks [URL]`.

#![allow(clippy::print_stdout, reason = "a program for people to run")]

use stargazer_core::Bus;
use stargazer_core::lock::{LeaseOptions, LockOptions, Restart, SingletonOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> stargazer_core::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://demo".into());
    let bus = Bus::connect(url).await?;

    let report = bus.lock("report", LockOptions::default())?;
    report
        .run(async {
            // Dropped here, with the error `Stale`, if the lock were lost meanwhile.
            println!("nobody else writes the report");
        })
        .await?;

    let status = bus.lease("status", &LeaseOptions::default())?;
    let fence = status.acquire().await?;
    println!("I lead, with a number that only grows: {}", fence > 0);
    status.resign().await?;

    let upkeep = bus.singleton("upkeep", &SingletonOptions::default().with_restart(Restart::OnError))?;
    upkeep
        .run(async |fence| {
            println!("upkeep runs here: {}", fence > 0);
            Ok(())
        })
        .await?;
    bus.close().await
}

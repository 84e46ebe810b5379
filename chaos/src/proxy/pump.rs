//! Moving requests and replies between the two ends of a connection.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::frames::first_frame;
use super::gate::{Point, Verdict};
use super::label::Label;
use super::{Cut, Shared, Weather, locked};

/// Pieces of a sliced frame: so many single bytes, the rest in larger pieces, or a big body would take for ever.
const SINGLE: usize = 200;
const PIECE: usize = 1000;

/// Passes everything until one end closes, or a gate decides that it ends.
pub(super) async fn both(client: &mut TcpStream, server: &mut TcpStream, shared: &Shared) -> Cut {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let asked = Mutex::new(VecDeque::new());
    let ended = tokio::select! {
        ended = requests(from_client, to_server, shared, &asked) => ended,
        ended = replies(from_server, to_client, shared, &asked) => ended,
    };
    // An end that broke is passed on as it came.
    ended.unwrap_or(Cut::Reset)
}

async fn requests(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    asked: &Mutex<VecDeque<Label>>,
) -> io::Result<Cut> {
    let mut buffer = Vec::new();
    loop {
        while let Some(frame) = first_frame(&buffer) {
            let bytes: Vec<u8> = buffer.drain(..frame.end).collect();
            let label = shared.labels.of(&frame.words);
            let verdict = match shared.gates.take(label, Point::Request) {
                Some(barrier) => barrier.stop().await,
                None => Verdict::Pass,
            };
            if verdict == Verdict::Reset {
                return Ok(Cut::Reset);
            }
            let weather = shared.weather.borrow().clone();
            if weather.swallow_requests {
                continue;
            }
            locked(asked).push_back(label);
            if send(&mut to, &bytes, verdict, &weather).await? {
                return Ok(Cut::Reset);
            }
        }
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(Cut::Close);
        }
    }
}

async fn replies(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    asked: &Mutex<VecDeque<Label>>,
) -> io::Result<Cut> {
    let mut buffer = Vec::new();
    loop {
        while let Some(frame) = first_frame(&buffer) {
            let bytes: Vec<u8> = buffer.drain(..frame.end).collect();
            let label = if frame.push { None } else { locked(asked).pop_front() };
            let verdict = match label.and_then(|label| shared.gates.take(label, Point::Reply)) {
                Some(barrier) => barrier.stop().await,
                None => Verdict::Pass,
            };
            if verdict == Verdict::Reset {
                return Ok(Cut::Reset);
            }
            let weather = shared.weather.borrow().clone();
            if weather.swallow_replies {
                continue;
            }
            if send(&mut to, &bytes, verdict, &weather).await? {
                return Ok(Cut::Reset);
            }
            if let Some(barrier) = label.and_then(|label| shared.gates.take(label, Point::Replied))
                && barrier.stop().await != Verdict::Pass
            {
                return Ok(Cut::Reset);
            }
        }
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(Cut::Close);
        }
    }
}

/// Sends as the weather allows; whether the connection ends here.
async fn send(to: &mut WriteHalf<'_>, bytes: &[u8], verdict: Verdict, weather: &Weather) -> io::Result<bool> {
    let bytes = if verdict == Verdict::Half { &bytes[..bytes.len() / 2] } else { bytes };
    let mut wait = weather.delay;
    if !weather.jitter.is_zero() {
        // Spread by what is at hand; no run depends on it.
        let share = u32::try_from(bytes.len() % 8).unwrap_or(0);
        wait += weather.jitter * share / 8;
    }
    if let Some(rate) = weather.bandwidth {
        wait += Duration::from_secs(1) * u32::try_from(bytes.len()).unwrap_or(u32::MAX)
            / u32::try_from(rate).unwrap_or(u32::MAX).max(1);
    }
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if weather.slice {
        let (single, rest) = bytes.split_at(bytes.len().min(SINGLE));
        for piece in single.chunks(1).chain(rest.chunks(PIECE)) {
            to.write_all(piece).await?;
            tokio::task::yield_now().await;
        }
    } else {
        to.write_all(bytes).await?;
    }
    Ok(verdict == Verdict::Half)
}

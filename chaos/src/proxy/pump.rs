//! Moving requests and replies between the two ends of a connection.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::frames::{Frame, first_frame};
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

/// What comes from one end, frame by frame.
struct Frames<'a> {
    from: ReadHalf<'a>,
    buffer: Vec<u8>,
}

impl<'a> Frames<'a> {
    fn new(from: ReadHalf<'a>) -> Self {
        Self { from, buffer: Vec::new() }
    }

    /// The next frame and its bytes; nothing when the end has closed.
    async fn next(&mut self) -> io::Result<Option<(Frame, Vec<u8>)>> {
        loop {
            if let Some(frame) = first_frame(&self.buffer) {
                let bytes = self.buffer.drain(..frame.end).collect();
                return Ok(Some((frame, bytes)));
            }
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

async fn requests(
    from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    asked: &Mutex<VecDeque<Label>>,
) -> io::Result<Cut> {
    let mut frames = Frames::new(from);
    while let Some((frame, bytes)) = frames.next().await? {
        let label = shared.labels.of(&frame.words);
        let verdict = passes(shared, Some(label), Point::Request).await;
        let weather = shared.weather.borrow().clone();
        if verdict != Verdict::Reset && weather.swallow_requests {
            continue;
        }
        locked(asked).push_back(label);
        if send(&mut to, &bytes, verdict, &weather).await? {
            return Ok(Cut::Reset);
        }
    }
    Ok(Cut::Close)
}

async fn replies(
    from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    asked: &Mutex<VecDeque<Label>>,
) -> io::Result<Cut> {
    let mut frames = Frames::new(from);
    while let Some((frame, bytes)) = frames.next().await? {
        let label = if frame.push { None } else { locked(asked).pop_front() };
        let verdict = passes(shared, label, Point::Reply).await;
        let weather = shared.weather.borrow().clone();
        if verdict != Verdict::Reset && weather.swallow_replies {
            continue;
        }
        let ends = send(&mut to, &bytes, verdict, &weather).await?;
        if ends || passes(shared, label, Point::Replied).await != Verdict::Pass {
            return Ok(Cut::Reset);
        }
    }
    Ok(Cut::Close)
}

/// Waits where a gate is shut for this point; how it goes on.
async fn passes(shared: &Shared, label: Option<Label>, point: Point) -> Verdict {
    match label.and_then(|label| shared.gates.take(label, point)) {
        Some(barrier) => barrier.stop().await,
        None => Verdict::Pass,
    }
}

/// Sends as the weather allows; whether the connection ends here.
async fn send(to: &mut WriteHalf<'_>, bytes: &[u8], verdict: Verdict, weather: &Weather) -> io::Result<bool> {
    if verdict == Verdict::Reset {
        return Ok(true);
    }
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

//! Putting letters back.
//!
//! One letter is one step of the server, and a repeated step answers the same, so a call that meets trouble repeats it and
//! one that was cut off may be made again. Letters go back oldest first, one after the other, so that those of a lane keep
//! their order.

use std::time::Duration;

use super::look::{Walk, limit_out_of_range};
use super::{DeadLetters, Filter, Letter};
use crate::error::{Error, ErrorKind, Result};
use crate::policy::Retention;
use crate::topology::{self, Name};
use crate::transport::{Append, Dedupe, EntryId, Replay, Replayed};

/// How letters are put back.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayOptions {
    /// Only say what would be done.
    pub dry_run: bool,
    /// At most this many in one call, 1 to 10,000.
    pub limit: usize,
    /// At most this many a second; as fast as they go by default.
    pub rate: Option<f64>,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { dry_run: false, limit: 100, rate: None }
    }
}

/// The most letters that one call puts back.
const MOST: usize = 10_000;

/// What a call put back.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ReplayReport {
    /// Letters that were put back (in a dry run: that would be), in their order.
    pub replayed: Vec<ReplayedLetter>,
    /// Letters that were not, and why. They are kept.
    pub failed: Vec<(EntryId, Error)>,
    /// Whether letters that are meant may be left besides those that failed: the limit was reached, or a stream was full
    /// or the server in trouble, which ends a call.
    pub more: bool,
}

/// A letter that was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayedLetter {
    /// The letter.
    pub letter: EntryId,
    /// The stream it stands in again; `None` when an earlier call had put it back.
    pub stream: Option<Name>,
    /// Its id there; `None` in a dry run.
    pub id: Option<EntryId>,
}

impl DeadLetters {
    /// Puts letters back by id, in the order given. Repeating the call within the dedupe window gives the same answer.
    pub async fn replay(&self, ids: &[EntryId], options: &ReplayOptions) -> Result<ReplayReport> {
        let mut run = Run::new(self, options)?;
        let mut ids = ids.iter();
        for id in ids.by_ref() {
            if run.is_over() {
                run.report.more = true;
                break;
            }
            match self.read(&[*id]).await?.pop().flatten() {
                Some(letter) => run.put_back(letter).await,
                None => run.put_back_again(*id).await,
            }
        }
        Ok(run.report)
    }

    /// Puts back the letters that a filter means, the oldest first, up to the limit. Letters that come meanwhile are not
    /// met, also when it is the same entry that dies again.
    pub async fn replay_matching(&self, filter: &Filter, options: &ReplayOptions) -> Result<ReplayReport> {
        let mut run = Run::new(self, options)?;
        let mut walk = Walk::new(self, filter, false, None)?.until_now().await?;
        while let Some(letters) = walk.step().await? {
            for letter in letters {
                if run.is_over() {
                    run.report.more = true;
                    return Ok(run.report);
                }
                run.put_back(letter).await;
            }
        }
        Ok(run.report)
    }
}

/// One call.
struct Run<'a> {
    letters: &'a DeadLetters,
    options: &'a ReplayOptions,
    pause: Duration,
    next_at: Option<Duration>,
    /// Trouble that the next letter would meet as well.
    stopped: bool,
    report: ReplayReport,
}

impl<'a> Run<'a> {
    fn new(letters: &'a DeadLetters, options: &'a ReplayOptions) -> Result<Self> {
        if !(1..=MOST).contains(&options.limit) {
            return Err(limit_out_of_range(options.limit, MOST));
        }
        let pause = match options.rate {
            None => Duration::ZERO,
            Some(rate) if (0.001..=1e6).contains(&rate) => Duration::from_secs_f64(1.0 / rate),
            Some(rate) => {
                return Err(Error::invalid(format!("rate is {rate}; it must be 0.001 to 1,000,000 letters a second"))
                    .with_context("field", "rate"));
            }
        };
        let report = ReplayReport::default();
        Ok(Self { letters, options, pause, next_at: None, stopped: false, report })
    }

    fn is_over(&self) -> bool {
        self.stopped || self.report.replayed.len() + self.report.failed.len() >= self.options.limit
    }

    /// Waits for its turn.
    async fn pace(&mut self) {
        let clock = self.letters.bus.clock();
        if let Some(at) = self.next_at {
            clock.sleep_until(at).await;
        }
        self.next_at = Some(clock.now() + self.pause);
    }

    async fn put_back(&mut self, letter: Letter) {
        let id = letter.id;
        let replay = match self.prepare(letter) {
            Ok(replay) => replay,
            Err(error) => return self.fail(id, error),
        };
        let stream = Some(replay.entry.stream.clone());
        if self.options.dry_run {
            self.report.replayed.push(ReplayedLetter { letter: id, stream, id: None });
            return;
        }
        self.pace().await;
        self.send(replay, stream).await;
    }

    /// A letter that is not there any more: if an earlier call put it back, the receipt says so.
    async fn put_back_again(&mut self, id: EntryId) {
        if self.options.dry_run {
            return self.fail(id, self.letters.missing(id));
        }
        // Never stored: without the letter, nothing is.
        let entry = Append::new(self.letters.stream.clone(), vec![("".into(), "".into())]);
        let replay = Replay { letters: self.letters.stream.clone(), id, entry, receipt: self.receipt(id), body: None };
        self.send(replay, None).await;
    }

    async fn send(&mut self, replay: Replay, stream: Option<Name>) {
        let id = replay.id;
        match self.repeated(&replay).await {
            Ok(Replayed::Stored(new)) => {
                self.report.replayed.push(ReplayedLetter { letter: id, stream, id: Some(new) });
            }
            Ok(Replayed::Gone) => self.fail(id, self.letters.missing(id)),
            Ok(Replayed::BodyGone) => {
                self.fail(id, Error::new(ErrorKind::NotFound, "its big body is gone; discard the letter"));
            }
            Err(error) => {
                self.stopped = !matches!(error.kind(), ErrorKind::Invalid);
                self.fail(id, error);
            }
        }
    }

    /// Sends it until it is answered, or the time is over.
    async fn repeated(&self, replay: &Replay) -> Result<Replayed> {
        let bus = &self.letters.bus;
        let give_up = bus.clock().now() + bus.config().publish_timeout;
        let mut pause = Duration::from_millis(10);
        loop {
            match bus.transport().replay(replay).await {
                Err(error)
                    if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
                        && bus.clock().now() + pause < give_up =>
                {
                    bus.clock().sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(200));
                }
                answer => return answer,
            }
        }
    }

    fn fail(&mut self, id: EntryId, error: Error) {
        self.report.failed.push((id, error));
    }

    fn receipt(&self, id: EntryId) -> Dedupe {
        let key = topology::replayed_key(&self.letters.stream, &id.to_string());
        Dedupe { key, window: self.letters.bus.config().dedupe_window }
    }

    /// What the letter becomes.
    fn prepare(&self, letter: Letter) -> Result<Replay> {
        if let Some(problem) = letter.problem {
            return Err(Error::malformed(format!("the letter cannot be put back: {problem}")));
        }
        let (bus, id, mut letter) = (&self.letters.bus, letter.id, letter.letter);
        let stream: Name = letter.life.stream.as_str().into();
        letter.life.replayed_at = bus.clock().wall_ms();
        let mut fields = letter.into_entry()?;
        let mut entry = Append::new(stream.clone(), Vec::new());
        if let Some(mid) = &fields.mid {
            let key = topology::message_id_key(&stream, mid);
            entry.dedupe = Some(Dedupe { key, window: bus.config().dedupe_window });
        }
        let mut body = None;
        if let Some((key, _)) = &mut fields.body_ref {
            let name = format!("{}:{id}", fields.mid.as_deref().unwrap_or_default());
            let to = topology::body_key(&stream, &name);
            body = Some((key.as_str().into(), to.clone()));
            *key = to.to_string();
        }
        entry.fields = fields.write()?;
        let is_reply = stream.starts_with(&bus.topology().tools_reply_prefix);
        match if is_reply { bus.config().reply_retention } else { bus.config().retention } {
            Retention::Acked { cap } => entry.strict_cap = Some(cap),
            Retention::Capped { max_len } => entry.max_len = Some(max_len),
            Retention::Forever => {}
        }
        Ok(Replay { letters: self.letters.stream.clone(), id, entry, receipt: self.receipt(id), body })
    }
}

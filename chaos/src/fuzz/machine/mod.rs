//! The consumer's machine, with any order of answers and failures that a server may give it.
//!
//! The input is read as decisions: which of the requests under way is answered next and how (in full, with the answer
//! lost, with a refusal), which handler ends with which outcome, how much time passes. The server behind it is a small
//! one that keeps the promises of the real one ([`server`]); what the machine promises is checked with every action
//! ([`rules`]). When the input is used up everything goes well again, and then everything must be done.

mod rules;
mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use stargazer_core::config::{ConsumerConfig, OnLeaseLost};
use stargazer_core::consumer::machine::{Action, Ended, Event, Machine, Now, Policy, Started, Ticket};

use rules::Rules;
use server::{Mood, Server};

/// Bytes that are taken for decisions.
///
/// Holds: what [`rules`] says; and once nothing goes wrong any more, all entries are done and the consumer ends.
pub fn machine(bytes: &[u8]) -> bool {
    let mut input = Unstructured::new(bytes);
    let Ok(policy) = policy(&mut input) else { return false };
    let mut play = Play::new(policy);
    // An input that ends in the middle of a decision is no error: it is over.
    while !input.is_empty() && !play.ended && play.decide(&mut input).is_ok() {}
    let steps = play.steps;
    play.finish();
    steps > 20
}

fn policy(input: &mut Unstructured<'_>) -> Result<Policy> {
    let mut config = ConsumerConfig::default();
    config.concurrency = input.int_in_range(1..=4)?;
    config.prefetch = Some(input.int_in_range(0..=6)?);
    config.prefetch_bytes = *input.choose(&[1, 40, 4096])?;
    config.strict = input.arbitrary()?;
    config.max_attempts = input.int_in_range(1..=3)?;
    config.handler_timeout = *input.choose(&[None, Some(Duration::from_secs(2))])?;
    config.on_lease_lost = *input.choose(&[OnLeaseLost::Cancel, OnLeaseLost::Keep])?;
    config.lease = Duration::from_secs(6);
    config.sweep = Duration::from_secs(2);
    Ok(Policy::new(&config, "s".into(), "g".into(), "dead".into(), input.arbitrary()?))
}

/// A request under way, and when it was sent.
#[derive(Debug)]
struct Request {
    action: Action,
    sent: Duration,
}

/// One consumer and its server.
struct Play {
    machine: Machine,
    now: Duration,
    open: Vec<Request>,
    running: BTreeMap<Ticket, Started>,
    /// Suspects that were handed out and do not run yet.
    offered: BTreeMap<Ticket, Started>,
    server: Server,
    rules: Rules,
    ended: bool,
    steps: usize,
}

impl Play {
    fn new(policy: Policy) -> Self {
        let now = Now { mono: Duration::ZERO, wall_ms: 0 };
        let rules = Rules::new(&policy);
        let mut play = Self {
            machine: Machine::new(policy, now),
            now: Duration::ZERO,
            open: Vec::new(),
            running: BTreeMap::new(),
            offered: BTreeMap::new(),
            server: Server::default(),
            rules,
            ended: false,
            steps: 0,
        };
        play.step(Event::Tick);
        play
    }

    fn moment(&self) -> Now {
        Now { mono: self.now, wall_ms: 1_000_000 + u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX) }
    }

    fn step(&mut self, event: Event) {
        self.steps += 1;
        self.rules.told(&event, self.now);
        let actions = self.machine.step(event, self.moment());
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert!(!self.ended, "an action after the end: {action:?}");
            self.rules.wants(&action, self.open.iter().map(|request| &request.action), self.now);
            match action {
                Action::Start(started) if started.suspect => {
                    let ticket = started.ticket;
                    self.offered.insert(ticket, started);
                    self.step(Event::Begin(ticket));
                }
                Action::Go(ticket) => {
                    let Some(started) = self.offered.remove(&ticket) else { continue };
                    assert!(self.running.is_empty(), "a suspect has company: {started:?}");
                    self.rules.starts(&started, self.now);
                    self.running.insert(ticket, started);
                }
                Action::Seclude => self.step(Event::Secluded),
                Action::Cancel { ticket, .. } if self.offered.remove(&ticket).is_some() => {
                    let actions = self.machine.hand_back(ticket, Ended::Release, self.moment());
                    self.carry_out(actions);
                }
                Action::Start(started) => {
                    assert!(self.offered.is_empty(), "a suspect gets company: {started:?}");
                    self.running.insert(started.ticket, started);
                    assert!(self.running.len() <= self.rules.concurrency, "more handlers than there may be");
                }
                Action::Ended(_) => self.ended = true,
                Action::Cancel { .. } | Action::Tell(_) | Action::LookAtServer | Action::Mingle => {}
                action => self.open.push(Request { action, sent: self.now }),
            }
        }
        let deadline = self.machine.next_deadline(self.moment());
        assert!(deadline.is_none_or(|at| at > self.now), "a deadline that has passed makes the driver spin");
    }

    fn decide(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        match input.int_in_range(0..=15)? {
            0..=7 if !self.open.is_empty() => {
                let request = self.open.remove(input.choose_index(self.open.len())?);
                let mood =
                    *input.choose(&[Mood::Fine, Mood::Fine, Mood::Fine, Mood::Lost, Mood::Deaf, Mood::Refuse])?;
                let fresh = input.int_in_range(0..=3)?;
                self.server.publish(fresh, input)?;
                self.answer(request, mood);
            }
            8..=11 if !self.running.is_empty() => {
                let which = input.choose_index(self.running.len())?;
                let ticket = *self.running.keys().nth(which).unwrap_or(&0);
                let how = match input.int_in_range(0..=5)? {
                    0..=2 => Ended::Ack,
                    3 => Ended::Retry { after: None, error: Some("no".into()) },
                    4 if ticket.is_multiple_of(2) => Ended::Release,
                    4 => Ended::NoRoom { after: None, memory: ticket % 4 == 1, error: "no room".into() },
                    _ => Ended::Reject { reason: "no".into() },
                };
                self.hand_back(ticket, how);
            }
            12 => {
                let time = Duration::from_millis(input.int_in_range(0..=8000)?);
                // A process that was frozen may hear of anything before it looks at the time.
                if input.arbitrary()? { self.now += time } else { self.pass(time) }
            }
            13 => match input.int_in_range(0..=11)? {
                0 => {
                    self.server.change();
                    self.step(Event::ServerChanged);
                }
                1 => self.step(Event::Drain { deadline: self.now + Duration::from_secs(1) }),
                2 => self.server.strangers_leave(),
                3 => self.server.delete_one(),
                n => self.step(Event::ProbeIdle { fresh: n % 2 == 0 }),
            },
            _ => {
                let at = self.machine.next_deadline(self.moment()).unwrap_or(self.now);
                self.pass(at.saturating_sub(self.now));
            }
        }
        Ok(())
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.step(Event::Tick);
    }

    fn answer(&mut self, request: Request, mood: Mood) {
        let event = self.server.answer(request.action, request.sent, mood, self.now);
        self.step(event);
    }

    fn hand_back(&mut self, ticket: Ticket, how: Ended) {
        let Some(started) = self.running.remove(&ticket) else { return };
        self.rules.ended(&started, &how);
        let actions = self.machine.hand_back(ticket, how, self.moment());
        self.carry_out(actions);
        // The driver is woken by it.
        self.step(Event::Tick);
    }

    /// Nothing goes wrong any more.
    fn finish(&mut self) {
        self.server.strangers_leave();
        for _ in 0..3000 {
            if self.ended || (self.server.is_empty() && self.running.is_empty()) {
                break;
            }
            self.go_on();
        }
        assert!(self.ended || self.server.is_empty(), "not done after {:?}: {:?}", self.now, self.server);
        self.step(Event::Drain { deadline: self.now + Duration::from_secs(1) });
        for _ in 0..300 {
            if self.ended {
                return;
            }
            self.go_on();
        }
        panic!("the consumer does not end; under way: {:?}", self.open);
    }

    fn go_on(&mut self) {
        if let Some(ticket) = self.running.keys().next() {
            self.hand_back(*ticket, Ended::Ack);
            return;
        }
        // Waiting takes its time; everything else is answered at once.
        let asked = self.open.iter().position(|request| !matches!(request.action, Action::Wait { .. }));
        if let Some(place) = asked {
            let request = self.open.remove(place);
            return self.answer(request, Mood::Fine);
        }
        let deadline = self.machine.next_deadline(self.moment()).unwrap_or(Duration::MAX);
        let waits = self.open.iter().map(|request| match request.action {
            Action::Wait { timeout, .. } => request.sent + timeout,
            _ => Duration::MAX,
        });
        let wait = waits.min().unwrap_or(Duration::MAX);
        assert!(deadline.min(wait) < Duration::MAX, "it waits for nothing: {:?}", self.server);
        if wait <= deadline {
            self.now = self.now.max(wait);
            let request = self.open.remove(0);
            self.answer(request, Mood::Fine);
        } else {
            self.pass(deadline.saturating_sub(self.now));
        }
    }
}

//! Settings of a gateway.

use std::time::Duration;

use crate::config::ConsumerConfig;
use crate::error::{Error, Result};

/// What becomes of something that may have been sent: a gateway died, or an adapter gave no answer, after the send began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnUnknown {
    /// It is sent, and the adapter is told ([`super::super::SendContext::may_be_repeat`]): at least once.
    #[default]
    Resend,
    /// It is not sent but goes to the dead letters: at most once. One that an operator puts back from there is sent.
    Skip,
}

impl std::str::FromStr for OnUnknown {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "resend" => Ok(Self::Resend),
            "skip" => Ok(Self::Skip),
            other => Err(Error::invalid(format!("on_unknown is {other:?}; it must be resend or skip"))
                .with_context("setting", "on_unknown")),
        }
    }
}

/// Settings of a gateway; those of its consumers are the same for all platforms.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// The consumers of the outbound streams, one a platform. Its `drain_timeout` also bounds how long an adapter drains.
    pub consumer: ConsumerConfig,
    /// What becomes of something that may have been sent.
    pub on_unknown: OnUnknown,
    /// How long it is remembered what was sent: something doubled within is sent once. 24 h.
    pub remember: Duration,
    /// How long one send may take; then it may have been sent. 60 s.
    pub send_timeout: Duration,
    /// How long a call may take that names no deadline. 30 s.
    pub call_timeout: Duration,
    /// How long an adapter may take to start. 30 s.
    pub start_timeout: Duration,
    /// How long an adapter may take to stop, or to say whether it runs. 10 s.
    pub stop_timeout: Duration,
    /// How often an adapter is asked whether it runs. 1 s.
    pub look: Duration,
    /// Pause before a failed adapter is started again, doubled each time it fails. 1 s.
    pub restart_base: Duration,
    /// Longest such pause; an adapter that ran for longer begins anew. 60 s.
    pub restart_max: Duration,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            consumer: ConsumerConfig { name: "gateway".into(), ..ConsumerConfig::default() },
            on_unknown: OnUnknown::Resend,
            remember: Duration::from_secs(24 * 60 * 60),
            send_timeout: Duration::from_secs(60),
            call_timeout: Duration::from_secs(30),
            start_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(10),
            look: Duration::from_secs(1),
            restart_base: Duration::from_secs(1),
            restart_max: Duration::from_secs(60),
        }
    }
}

impl GatewayConfig {
    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        self.consumer.validate()?;
        let times = [
            ("remember", self.remember),
            ("send_timeout", self.send_timeout),
            ("call_timeout", self.call_timeout),
            ("start_timeout", self.start_timeout),
            ("stop_timeout", self.stop_timeout),
            ("look", self.look),
            ("restart_base", self.restart_base),
            ("restart_max", self.restart_max),
        ];
        for (name, time) in times {
            if time < Duration::from_millis(1) {
                let text = format!("{name} is {time:?}; it must be at least 1ms");
                return Err(Error::invalid(text).with_context("setting", name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_no_time_is_not() {
        GatewayConfig::default().validate().unwrap();
        let none = GatewayConfig { send_timeout: Duration::ZERO, ..GatewayConfig::default() };
        let error = none.validate().unwrap_err();
        assert!(error.code() == "invalid" && error.message().starts_with("send_timeout"), "{error}");
    }

    #[test]
    fn on_unknown_has_two_names() {
        assert_eq!("skip".parse::<OnUnknown>().unwrap(), OnUnknown::Skip);
        assert_eq!("again".parse::<OnUnknown>().unwrap_err().code(), "invalid");
    }
}

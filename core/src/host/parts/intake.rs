//! The way in, for adapters of another language and for programs that are none.

use async_trait::async_trait;

use super::{Answer, Calls, Part, messages};
use crate::envelope::Value;
use crate::envelope::arguments::Arguments;
use crate::error::{Error, Result};
use crate::platform::Intake;
use crate::publish::Publisher;

/// For a `platform`.
pub(super) fn open(bus: &Publisher, mut take: Arguments<'_>) -> Result<Part> {
    let intake = Intake::new(bus.clone(), take.need_text("platform")?);
    take.end()?;
    Ok(Part::of(Way(intake)))
}

struct Way(Intake);

#[async_trait]
impl Calls for Way {
    async fn call(&self, name: &str, take: Arguments<'_>) -> Result<Answer> {
        call(&self.0, name, take).await
    }

    fn at_once(&self, name: &str, take: Arguments<'_>) -> Result<Value> {
        at_once(&self.0, name, take)
    }
}

/// A call of a way in.
pub(super) async fn call(intake: &Intake, name: &str, mut take: Arguments<'_>) -> Result<Answer> {
    let receipt = match name {
        "message" => intake.message(messages::incoming(take.need_map("message")?)?).await?,
        "update" => intake.update(messages::update(take.need_map("update")?)?).await?,
        other => return Err(super::no_call(other)),
    };
    Ok(Answer::Stored(receipt, Value::Nil))
}

pub(super) fn at_once(intake: &Intake, name: &str, mut take: Arguments<'_>) -> Result<Value> {
    match name {
        "failed" => intake.failed(Error::unavailable(take.need_text("reason")?)),
        "close" => intake.close(),
        other => return Err(super::no_call(other)),
    }
    Ok(Value::Nil)
}

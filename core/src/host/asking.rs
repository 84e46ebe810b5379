//! Taking something for somebody who may stop waiting.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};

/// One request to take something. Whoever asked may give it up at any time, also after it was taken and before that was
/// told: then it is given back. Cheap to clone; clones are the same request.
#[derive(Debug, Clone, Default)]
pub struct Asking(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stage: Mutex<Stage>,
    gone: watch::Sender<bool>,
}

#[derive(Default)]
enum Stage {
    #[default]
    Asked,
    Taken(Box<dyn FnOnce() + Send>),
    GivenUp,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Asked => "Asked",
            Self::Taken(_) => "Taken",
            Self::GivenUp => "GivenUp",
        })
    }
}

impl Asking {
    /// Takes something, unless it is given up meanwhile (`Cancelled`); the taking is dropped then. `back` gives back what was
    /// taken too late; it is called on any thread and must not block.
    pub async fn take<T>(
        &self,
        taking: impl Future<Output = Result<T>>,
        back: impl FnOnce() + Send + 'static,
    ) -> Result<T> {
        let gone = || Error::new(ErrorKind::Cancelled, "nobody waits for it any more");
        let mut given_up = self.0.gone.subscribe();
        let given_up = async move {
            let _ = given_up.wait_for(|gone| *gone).await;
        };
        let taken = tokio::select! {
            biased;
            () = given_up => return Err(gone()),
            taken = taking => taken?,
        };
        let mut stage = self.0.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stage, Stage::GivenUp) {
            drop(stage);
            back();
            return Err(gone());
        }
        *stage = Stage::Taken(Box::new(back));
        Ok(taken)
    }

    /// Nobody waits for it any more.
    pub fn give_up(&self) {
        let stage = {
            let mut stage = self.0.stage.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *stage, Stage::GivenUp)
        };
        self.0.gone.send_replace(true);
        if let Stage::Taken(back) = stage {
            back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_is_given_back_whenever_that_was() {
        let backs = Arc::new(AtomicU32::new(0));
        let back = |backs: &Arc<AtomicU32>| {
            let backs = backs.clone();
            move || {
                backs.fetch_add(1, Ordering::SeqCst);
            }
        };
        let early = Asking::default();
        early.give_up();
        let error = early.take(async { Ok(1) }, back(&backs)).await.unwrap_err();
        assert_eq!((error.code(), backs.load(Ordering::SeqCst)), ("cancelled", 0));
        let late = Asking::default();
        assert_eq!(late.take(async { Ok(1) }, back(&backs)).await.unwrap(), 1);
        late.give_up();
        late.give_up();
        assert_eq!(backs.load(Ordering::SeqCst), 1);
        let meanwhile = Asking::default();
        let taking = async {
            meanwhile.give_up();
            Ok(1)
        };
        assert_eq!(meanwhile.take(taking, back(&backs)).await.unwrap_err().code(), "cancelled");
        assert_eq!(backs.load(Ordering::SeqCst), 2);
    }
}

//! Calls: a request goes to whoever serves its name, the answer comes back to whoever asked.
//!
//! Every call ends once: with an [`Answer`], or with an error of the kind `Remote` (the handler failed), `Timeout`
//! (nobody answered in time), `Expired` (the request was read after its deadline and not run), `Cancelled`, or `NoWorker`
//! (nobody serves); what keeps a request from being sent is told as any publish tells it.

mod answer;
mod call;
mod caller;
mod cancel;
mod control;
mod figures;
mod handler;
mod local;
mod memo;
mod notices;
mod options;
mod presence;
mod reader;
mod reply;
mod run;
mod serve;
mod server;
mod siblings;
#[cfg(test)]
mod tests;
mod wire;

pub use answer::Answer;
pub use caller::CallFigures;
pub use cancel::{Cancel, CancelReason};
pub(crate) use control::Control;
pub use figures::{Figures, HandlerFigures};
pub use handler::{Failure, Handler, HandlerOptions, Reply, Request, handler_fn};
pub(crate) use local::LocalCalls;
pub use options::{CallOptions, Identity, Memo};
pub use reply::answer;
pub use server::{Server, Serving};
pub use wire::code;

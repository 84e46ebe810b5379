//! Requests about everything that a process holds: page by page, so that none of them holds the server up.

use crate::error::Result;
use crate::topology::Name;
use crate::transport::{BATCH, EntryId, Group, Refusal, Session, Transport};

/// Ids that one look at a pending list asks for.
const HELD_PAGE: usize = 1000;

/// Raises the beats of all sessions.
pub(super) async fn renew(
    transport: &dyn Transport,
    group: &Group,
    sessions: &[Session],
) -> Result<Vec<Result<u64, Refusal>>> {
    let mut answers = Vec::with_capacity(sessions.len());
    for some in sessions.chunks(BATCH) {
        answers.extend(transport.renew(group, some).await?);
    }
    Ok(answers)
}

/// Gives all sessions up.
pub(super) async fn stop(transport: &dyn Transport, group: &Group, sessions: &[Session]) -> Result<()> {
    for some in sessions.chunks(BATCH) {
        transport.stop(group, some).await?;
    }
    Ok(())
}

/// Everything that is pending for an identity.
pub(super) async fn held(transport: &dyn Transport, group: &Group, identity: &Name) -> Result<Vec<EntryId>> {
    let mut ids: Vec<EntryId> = Vec::new();
    loop {
        let after = ids.last().copied().unwrap_or(EntryId::ZERO);
        let page = transport.held(group, identity, after, HELD_PAGE).await?;
        if page.is_empty() {
            return Ok(ids);
        }
        ids.extend(page);
    }
}

/// Resets the idle times of everything that the sessions hold. Refusals come up where a session does something.
pub(super) async fn refresh(transport: &dyn Transport, group: &Group, sessions: &[Session]) -> Result<()> {
    for session in sessions {
        let mut after = EntryId::ZERO;
        while let Ok(Some(next)) = transport.refresh(group, session, after).await? {
            after = next;
        }
    }
    Ok(())
}

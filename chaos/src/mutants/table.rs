//! Which check must catch which mutant, and under which accidents. The checks were named before anything was tried, and
//! none was changed since; of the accidents some were adapted until the mutant had the chance to do harm.

use stargazer_core::mutant::Mutant;

use super::plans;
use super::subject::Subject;
use crate::check::Check;
use crate::simulate::Plan;

const fn must(mutant: Mutant, check: Check, plan: fn(u64) -> Plan) -> Subject {
    Subject { mutant, check, plan, seeds: 100 }
}

/// Every mutant.
pub const TABLE: &[Subject] = &[
    must(Mutant::AckBeforeHandle, Check::C1, plans::kills),
    must(Mutant::UnfencedSettle, Check::C6, plans::freezes_in_long_handlers),
    must(Mutant::CappedWork, Check::C1, plans::freezes),
    must(Mutant::LockInsteadOfLanes, Check::C5, plans::calm),
    must(Mutant::ClaimedWhenIdle, Check::C7, plans::long),
    must(Mutant::NoDedupe, Check::C3, plans::losses),
    must(Mutant::GroupAtEnd, Check::C1, plans::lost_groups),
    must(Mutant::AckBeforeDeadLetter, Check::C1, plans::kills_among_rejects),
    must(Mutant::AttemptsInMemory, Check::C8, plans::poison),
    must(Mutant::RenewedByHandlers, Check::C4, plans::long),
    must(Mutant::FetchWithoutCursor, Check::C5, plans::losses),
    must(Mutant::LaneFreedAtOnce, Check::C5, plans::calm),
    must(Mutant::AdoptedUnchecked, Check::C7, plans::kills_and_short_freezes),
    must(Mutant::IdentityReused, Check::C4, plans::kills),
    must(Mutant::StaleRoutingKept, Check::C11, plans::lost_groups),
    must(Mutant::StartsAdded, Check::C8, plans::kills_among_retries),
    must(Mutant::RetiredUnchecked, Check::C1, plans::kills),
    must(Mutant::TriesLost, Check::C8, plans::poison),
    must(Mutant::RetryPassed, Check::C5, plans::retries),
    must(Mutant::AdoptedWhileAlive, Check::C4, plans::calm),
    must(Mutant::LeaseNeverExpires, Check::C7, plans::cuts),
    must(Mutant::UnfencedEffect, Check::C6, plans::freezes_with_effects),
    must(Mutant::CompanyIsProof, Check::C8, plans::poison),
];

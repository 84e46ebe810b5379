//! Making streams and groups, per role.

use crate::error::{Error, Result};
use crate::publish::Publisher;
use crate::topology::Name;
use crate::transport::{Group, Ordering};

/// What a process does, which decides what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Role {
    /// Nothing is ensured.
    #[default]
    None,
    /// Answers messages: the inbound stream and the workers' group.
    Worker,
    /// Talks to platforms: their outbound streams and groups.
    Gateway,
    /// Both.
    Standalone,
    /// Runs tools: the tools stream and group.
    Tools,
}

impl std::str::FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "none" => Ok(Self::None),
            "worker" => Ok(Self::Worker),
            "gateway" => Ok(Self::Gateway),
            "standalone" => Ok(Self::Standalone),
            "tools" => Ok(Self::Tools),
            other => Err(Error::invalid(format!(
                "there is no role {other:?}; roles are worker, gateway, standalone, tools and none"
            ))
            .with_context("field", "role")),
        }
    }
}

/// Makes what the role needs; what exists stays as it is.
pub(crate) async fn ensure_streams(bus: &Publisher, role: Role, platforms: &[String]) -> Result<()> {
    bus.ensure_open()?;
    let topology = bus.topology();
    let mut groups: Vec<(Name, Name, Ordering)> = Vec::new();
    if matches!(role, Role::Worker | Role::Standalone) {
        let (stream, group) = (topology.inbound_stream.as_str().into(), topology.worker_group.as_str().into());
        groups.push((stream, group, Ordering::Lanes));
    }
    if matches!(role, Role::Gateway | Role::Standalone) {
        if platforms.is_empty() {
            return Err(Error::invalid("a gateway needs at least one platform").with_context("field", "platforms"));
        }
        for platform in platforms {
            if platform.is_empty() {
                return Err(Error::invalid("a platform must have a name").with_context("field", "platforms"));
            }
            groups.push((topology.outbound_stream(platform), topology.gateway_group(platform), Ordering::Lanes));
        }
    }
    if role == Role::Tools {
        let (stream, group) = (topology.tools_stream.as_str().into(), topology.tools_group.as_str().into());
        groups.push((stream, group, Ordering::None));
    }
    for (stream, name, ordering) in groups {
        bus.transport().recreate(&Group::new(stream, name, ordering, bus.config().retention)).await?;
    }
    Ok(())
}

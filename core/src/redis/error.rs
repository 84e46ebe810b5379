//! The one place where an error of the client library or a reply of the server becomes an error of ours.
//!
//! A reply is judged by its code, never by its text. Two exceptions, which come under the code of every other mistake:
//! a server that is out of connections, and one that refuses a command inside a script.

use ::redis::{ErrorKind as ClientKind, RedisError};

use crate::error::{Error, ErrorKind};
pub(super) use crate::transport::check::wrong_type;
use crate::transport::no_memory;

/// An error reply of the server: its code and the rest of the line.
pub(super) fn by_code(code: &str, detail: &str) -> Error {
    let (kind, advice) = match code {
        "NOAUTH" => (ErrorKind::Auth, "the server wants a password; put it into the address"),
        "WRONGPASS" => (ErrorKind::Auth, "the server refuses this user or password"),
        "NOPERM" => (ErrorKind::Auth, "this user may not do that; widen its access rights"),
        "DENIED" => (ErrorKind::Auth, "the server is in protected mode; give it a password or bind it to loopback"),
        "LOADING" => (ErrorKind::Unavailable, "the server is loading its data; try again"),
        "READONLY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "UNBLOCKED" => {
            (ErrorKind::Unavailable, "the server is failing over; try again")
        }
        "BUSY" => (ErrorKind::Unavailable, "the server is busy with a script; try again"),
        "MISCONF" => (ErrorKind::Unavailable, "the server cannot save its data and takes no writes; look at its log"),
        "NOREPLICAS" => (ErrorKind::Unavailable, "the server has too few replicas and takes no writes"),
        "OOM" => (ErrorKind::Full, "the server's memory is full; wait, or raise maxmemory"),
        "WRONGTYPE" => (ErrorKind::Invalid, "a key holds another kind of value"),
        "MOVED" | "ASK" | "CROSSSLOT" => {
            (ErrorKind::Invalid, "this server is a node of a cluster, which is not supported")
        }
        "NOPROTO" => (ErrorKind::Invalid, "the server is too old; Redis 6.2 is needed"),
        "NOGROUP" => (ErrorKind::NotFound, "there is no such stream or group"),
        "BUSYGROUP" => (ErrorKind::Conflict, "the group exists"),
        "ERR" if detail.starts_with("max number of clients") => {
            (ErrorKind::Unavailable, "the server has no connection left; raise maxclients")
        }
        "ERR" if detail.starts_with("DB index") || detail.starts_with("invalid DB index") => {
            (ErrorKind::Invalid, "the server has no database of this number; correct the end of the address")
        }
        // Redis' words, and Valkey's.
        "ERR"
            if detail.starts_with("The user executing the script can't")
                || detail.starts_with("ACL failure in script") =>
        {
            (ErrorKind::Auth, "this user may not do that; widen its access rights")
        }
        _ => (ErrorKind::Internal, "the server refused a command"),
    };
    let text = format!("{advice}: {code} {detail}");
    if code == "OOM" { no_memory(text) } else { Error::new(kind, text) }
}

/// An error reply as one text, as scripts hand it on.
pub(super) fn by_text(text: &str) -> Error {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (code, detail) = text.split_once(' ').unwrap_or((text, ""));
    by_code(code, detail)
}

/// What the client library reports.
pub(super) fn by_client(error: &RedisError) -> Error {
    match error.kind() {
        ClientKind::Server(_) | ClientKind::Extension => {
            by_code(error.code().unwrap_or_default(), error.detail().unwrap_or_default())
        }
        ClientKind::Io if error.is_timeout() => Error::new(
            ErrorKind::Timeout,
            "the server did not answer in time; try again, or raise the response time-out",
        ),
        // What the TLS layer says about a certificate it does not trust.
        ClientKind::Io if io_kind(error) == Some(std::io::ErrorKind::InvalidData) => Error::invalid(format!(
            "no safe connection to this server: {error}; give its authority's certificate, or correct the address"
        )),
        ClientKind::Io => Error::unavailable(format!("the connection to the server failed: {error}")),
        ClientKind::AuthenticationFailed => {
            Error::new(ErrorKind::Auth, "the server refuses this user or password, or knows no passwords")
        }
        ClientKind::InvalidClientConfig => Error::invalid(format!("the address cannot be used: {error}")),
        ClientKind::RESP3NotSupported => Error::invalid("the server is too old; Redis 6.2 is needed"),
        ClientKind::Parse => Error::invalid(
            "what answers there does not speak the Redis protocol; check the port, and whether it wants rediss://",
        ),
        other => Error::internal(format!("the Redis client failed: {error} ({other:?})")),
    }
}

fn io_kind(error: &RedisError) -> Option<std::io::ErrorKind> {
    type Shared = std::sync::Arc<dyn std::error::Error + Send + Sync>;
    let source: &Shared = std::error::Error::source(error)?.downcast_ref()?;
    source.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
}

/// Whether a reply's code says that this is the wrong server: no primary (any more), or one that does not know us.
pub(super) fn is_misplaced(code: &str) -> bool {
    matches!(code, "READONLY" | "MASTERDOWN" | "UNBLOCKED" | "NOAUTH")
}

/// Whether the failure says that the request was not carried out.
pub(super) fn was_refused(error: &RedisError) -> bool {
    matches!(error.kind(), ClientKind::Server(_) | ClientKind::Extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_reply_has_its_kind() {
        let table = [
            ("NOAUTH Authentication required.", ErrorKind::Auth),
            ("WRONGPASS invalid username-password pair or user is disabled.", ErrorKind::Auth),
            ("NOPERM this user has no permissions to run the 'xadd' command", ErrorKind::Auth),
            ("DENIED Redis is running in protected mode", ErrorKind::Auth),
            ("LOADING Redis is loading the dataset in memory", ErrorKind::Unavailable),
            ("READONLY You can't write against a read only replica.", ErrorKind::Unavailable),
            ("MASTERDOWN Link with MASTER is down", ErrorKind::Unavailable),
            ("CLUSTERDOWN The cluster is down", ErrorKind::Unavailable),
            ("TRYAGAIN Multiple keys request during rehashing of slot", ErrorKind::Unavailable),
            ("UNBLOCKED force unblock from blocking operation", ErrorKind::Unavailable),
            ("BUSY Redis is busy running a script.", ErrorKind::Unavailable),
            ("MISCONF Redis is configured to save RDB snapshots", ErrorKind::Unavailable),
            ("NOREPLICAS Not enough good replicas to write.", ErrorKind::Unavailable),
            ("ERR max number of clients reached", ErrorKind::Unavailable),
            ("ERR DB index is out of range", ErrorKind::Invalid),
            ("ERR The user executing the script can't run this command or subcommand", ErrorKind::Auth),
            ("ERR ACL failure in script: User x has no permissions to run the 'xadd' command", ErrorKind::Auth),
            ("-OOM command not allowed when used memory > 'maxmemory'.", ErrorKind::Full),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", ErrorKind::Invalid),
            ("MOVED 3999 127.0.0.1:6381", ErrorKind::Invalid),
            ("ASK 3999 127.0.0.1:6381", ErrorKind::Invalid),
            ("CROSSSLOT Keys in request don't hash to the same slot", ErrorKind::Invalid),
            ("NOPROTO unsupported protocol version", ErrorKind::Invalid),
            ("NOGROUP No such key 's' or consumer group 'g'", ErrorKind::NotFound),
            ("BUSYGROUP Consumer Group name already exists", ErrorKind::Conflict),
        ];
        for (text, kind) in table {
            assert_eq!(by_text(text).kind(), kind, "{text}");
        }
    }

    #[test]
    fn only_unknown_replies_are_our_bug() {
        for text in ["ERR unknown command 'XYZ'", "NOTBUSY No scripts in execution right now.", "WHATEVER", ""] {
            assert_eq!(by_text(text).kind(), ErrorKind::Internal, "{text}");
        }
    }

    #[test]
    fn trouble_of_the_connection_is_told_apart() {
        let io = |kind| by_client(&RedisError::from(std::io::Error::from(kind))).kind();
        assert_eq!(io(std::io::ErrorKind::ConnectionRefused), ErrorKind::Unavailable);
        assert_eq!(io(std::io::ErrorKind::BrokenPipe), ErrorKind::Unavailable);
        assert_eq!(io(std::io::ErrorKind::TimedOut), ErrorKind::Timeout);
        assert_eq!(io(std::io::ErrorKind::InvalidData), ErrorKind::Invalid);
        let own = |kind| by_client(&RedisError::from((kind, "text"))).kind();
        assert_eq!(own(ClientKind::AuthenticationFailed), ErrorKind::Auth);
        assert_eq!(own(ClientKind::InvalidClientConfig), ErrorKind::Invalid);
        assert_eq!(own(ClientKind::Parse), ErrorKind::Invalid);
        assert_eq!(own(ClientKind::RESP3NotSupported), ErrorKind::Invalid);
        assert_eq!(own(ClientKind::UnexpectedReturnType), ErrorKind::Internal);
        assert_eq!(own(ClientKind::Client), ErrorKind::Internal);
    }

    #[test]
    fn a_wrong_type_names_the_key() {
        let error = Error::wrong_type("sg:stream:inbound", "string", "stream");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.context(), [("key", "sg:stream:inbound".to_owned())]);
    }
}

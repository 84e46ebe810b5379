//! Addresses, taken apart and checked before anything is opened.
//!
//! `redis://`, `rediss://` and `unix://` name a server; `redis+sentinel://user:password@host:port,host:port/service/db` names
//! the sentinels that know where the server is (`rediss+sentinel://` with TLS to both). Credentials are those of the server,
//! and of the sentinels unless `?sentinel_user=…&sentinel_password=…` says otherwise (empty: none).
//!
//! What is shown of an address never holds a password.

use std::time::Duration;

use ::redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use ::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use super::error::by_client;
use crate::error::{Error, Result};

const SENTINEL_PORT: u16 = 26_379;

/// A link that carries nothing is asked for a sign of life after this time, and counts as dead after a few more of
/// [`PROBE_EVERY`]; so does one that leaves what we sent unconfirmed for [`UNCONFIRMED`].
const SILENT: Duration = Duration::from_secs(10);
const PROBE_EVERY: Duration = Duration::from_secs(3);
#[cfg(target_os = "linux")]
const UNCONFIRMED: Duration = Duration::from_secs(15);

/// A checked address.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// Hosts and ports, and the service; or the path of a socket.
    pub(super) shown: String,
    pub(super) way: Way,
}

/// How to get to the server.
#[derive(Debug, Clone)]
pub(super) enum Way {
    Straight(ConnectionInfo),
    Sentinels(Service),
}

/// A server that sentinels know.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) sentinels: Vec<ConnectionInfo>,
    /// Credentials and database of the server; its host and port are any.
    server: ConnectionInfo,
}

impl Service {
    /// How to connect to the server at a place that a sentinel named.
    pub(super) fn at(&self, host: &str, port: u16) -> ConnectionInfo {
        let addr = match self.server.addr() {
            ConnectionAddr::TcpTls { insecure, .. } => {
                ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: *insecure, tls_params: None }
            }
            _ => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        self.server.clone().set_addr(addr)
    }
}

impl Address {
    /// Checks an address; opens nothing.
    pub(super) fn parse(url: &str) -> Result<Self> {
        match url.split_once("://") {
            Some((scheme @ ("redis" | "rediss" | "unix"), rest)) => {
                check_options(scheme, rest)?;
                let info = straight(url)?;
                let shown = match info.redis_settings().db() {
                    0 => info.addr().to_string(),
                    db if url.starts_with("unix") => format!("{}?db={db}", info.addr()),
                    db => format!("{}/{db}", info.addr()),
                };
                Ok(Self { shown, way: Way::Straight(info) })
            }
            Some(("redis+sentinel", rest)) => through_sentinels("redis", rest),
            Some(("rediss+sentinel", rest)) => through_sentinels("rediss", rest),
            // Not even a part of the text is repeated: what is not an address may be a password.
            _ => Err(Error::invalid(
                "a Redis address is redis://[user:password@]host:port/db, rediss://…, unix:///path or redis+sentinel://host:port,host:port/service/db",
            )),
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        let info = match &self.way {
            Way::Straight(info) => info,
            Way::Sentinels(service) => &service.server,
        };
        matches!(info.addr(), ConnectionAddr::TcpTls { .. })
    }
}

/// An option that means nothing to us is told, not passed over: it may be one that somebody relies on.
fn check_options(scheme: &str, rest: &str) -> Result<()> {
    let known: &[&str] = if scheme == "unix" { &["db", "user", "pass"] } else { &[] };
    let (_, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut names = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split('=').next().unwrap_or(pair));
    if names.all(|name| known.contains(&name)) {
        return Ok(());
    }
    let text = match scheme {
        "unix" => "the address has an option other than db, user and pass",
        _ => "the address has an option, and there are none; write redis://[user:password@]host:port/db",
    };
    Err(Error::invalid(text).with_context("field", "url"))
}

fn through_sentinels(scheme: &str, rest: &str) -> Result<Address> {
    let refused = |why: &str| {
        Error::invalid(format!("{why}; write redis+sentinel://[user:password@]host:port[,host:port…]/service[/db]"))
            .with_context("field", "url")
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (credentials, rest) = rest.rsplit_once('@').map_or((None, rest), |(words, rest)| (Some(words), rest));
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (name, db) = path.trim_end_matches('/').split_once('/').unwrap_or((path.trim_end_matches('/'), ""));
    if name.is_empty() {
        return Err(refused("the address names no service"));
    }
    let (mut user, mut password) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sentinel_user", value)) => user = Some(value),
            Some(("sentinel_password", value)) => password = Some(value),
            _ => return Err(refused("the address has an option other than sentinel_user and sentinel_password")),
        }
    }
    let sentinel_words = match (user, password) {
        (None, None) => credentials.map(str::to_owned),
        (user, password) => Some(format!("{}:{}", user.unwrap_or_default(), password.unwrap_or_default())),
    };
    let at = |words: Option<&str>| words.filter(|words| *words != ":").map(|w| format!("{w}@")).unwrap_or_default();
    let mut sentinels = Vec::new();
    for host in hosts.split(',') {
        if host.is_empty() {
            return Err(refused("the address has a sentinel without a host"));
        }
        // The port behind the last colon, unless that is one of an IPv6 address.
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let port = if has_port { String::new() } else { format!(":{SENTINEL_PORT}") };
        sentinels.push(straight(&format!("{scheme}://{}{host}{port}", at(sentinel_words.as_deref())))?);
    }
    let server = straight(&format!("{scheme}://{}any/{db}", at(credentials)))?;
    let shown = sentinels.iter().map(|info| info.addr().to_string()).collect::<Vec<_>>().join(",");
    let service = Service { name: name.to_owned(), sentinels, server };
    Ok(Address { shown: format!("{shown}/{name}"), way: Way::Sentinels(service) })
}

fn straight(url: &str) -> Result<ConnectionInfo> {
    let info = url.into_connection_info().map_err(|e| by_client(&e))?;
    // With push messages: a lost connection is noticed before the next request, and bells are heard.
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let redis = redis.set_lib_name("stargazer", env!("CARGO_PKG_VERSION"));
    Ok(info.set_redis_settings(redis).set_tcp_settings(tcp_settings()))
}

/// So that a link whose other end has gone without a word does not stay open for ever.
fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(SILENT);
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "windows"))]
    let keepalive = keepalive.with_interval(PROBE_EVERY);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(UNCONFIRMED);
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn service(url: &str) -> (String, Service) {
        let address = Address::parse(url).unwrap();
        match address.way {
            Way::Sentinels(service) => (address.shown, service),
            Way::Straight(_) => panic!("{url} is not one of sentinels"),
        }
    }

    fn words(info: &ConnectionInfo) -> (Option<&str>, Option<&str>) {
        (info.redis_settings().username(), info.redis_settings().password())
    }

    #[test]
    fn the_database_is_shown_where_it_is_not_the_first() {
        let shown = |url: &str| Address::parse(url).unwrap().shown;
        assert_eq!(shown("redis://me:s3cret@h:1/2"), "h:1/2");
        assert_eq!((shown("redis://h:1"), shown("redis://h:1/0")), ("h:1".to_owned(), "h:1".to_owned()));
        assert_eq!(shown("unix:///s?db=3&pass=s3cret"), "/s?db=3");
    }

    #[test]
    fn all_three_kinds_of_a_server_are_taken() {
        for (url, shown) in [
            ("redis://127.0.0.1:6399", "127.0.0.1:6399"),
            ("redis://127.0.0.1", "127.0.0.1:6379"),
            ("rediss://example.org:6380", "example.org:6380"),
            ("unix:///run/redis.sock", "/run/redis.sock"),
        ] {
            assert_eq!(Address::parse(url).unwrap().shown, shown);
        }
    }

    #[test]
    fn sentinels_are_taken_with_their_service() {
        let (shown, service) = service("redis+sentinel://me:p%40ss@a:1,b,[::1]:3/orders/2");
        assert_eq!(shown, "a:1,b:26379,::1:3/orders");
        assert_eq!(service.name, "orders");
        for info in service.sentinels.iter().chain([&service.at("10.0.0.1", 7)]) {
            assert_eq!(words(info), (Some("me"), Some("p@ss")));
        }
        let server = service.at("10.0.0.1", 7);
        assert_eq!((server.addr().to_string().as_str(), server.redis_settings().db()), ("10.0.0.1:7", 2));
        assert_eq!(service.sentinels[0].redis_settings().db(), 0);
        assert!(!Address::parse("redis+sentinel://a/s").unwrap().is_encrypted());
        assert!(Address::parse("rediss+sentinel://a/s").unwrap().is_encrypted());
    }

    #[test]
    fn sentinels_may_have_their_own_credentials_or_none() {
        let (_, own) = service("redis+sentinel://me:pw@a,b/s?sentinel_user=watch&sentinel_password=x%26y");
        assert_eq!(words(&own.sentinels[1]), (Some("watch"), Some("x&y")));
        assert_eq!(words(&own.at("h", 1)), (Some("me"), Some("pw")));
        let (_, none) = service("redis+sentinel://:pw@a/s?sentinel_password=");
        assert_eq!(words(&none.sentinels[0]), (None, None));
        assert_eq!(words(&none.at("h", 1)), (None, Some("pw")));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for url in [
            "me:s3cret@localhost",
            "http://me:s3cret@localhost",
            "redis://me:s3cret@local host:x",
            "redis+sentinel://me:s3cret@a",
            "redis+sentinel://me:s3cret@a,/s",
            "redis+sentinel://me:s3cret@a/s/two",
            "redis+sentinel://me:s3cret@a:x/s",
            "redis+sentinel://me:s3cret@a/s?password=s3cret",
            "redis://me:s3cret@a/0?password=s3cret",
            "rediss://a?ssl_cert_reqs=none",
            "unix:///s?pass=s3cret&password=s3cret",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
            assert!(!format!("{error:?}").contains("s3cret"), "{url}: {error:?}");
        }
    }
}

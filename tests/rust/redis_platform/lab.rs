//! Where a case runs: the platform on a bus of its own, in memory or on a server.

use std::future::Future;
use std::time::Duration;

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{File, Map};
use stargazer_core::platform::redis::{Injection, NewInstance, RedisPlatform, RedisPlatformConfig};
use stargazer_core::store::{Answer, Op, Store};
use stargazer_core::topology::redis_platform::RedisPlatformNames;
use stargazer_core::{Bus, Role};
use stargazer_tests::{Reply, Server};

/// A case that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// A bus, the platform on it, and the server behind it if there is one.
pub(super) struct Lab {
    pub(super) bus: Bus,
    pub(super) platform: RedisPlatform,
    pub(super) server: Option<Server>,
}

pub(super) fn in_memory<F: Future<Output = ()>>(case: impl FnOnce(Lab) -> F) {
    run(async { case(Lab::over("memory://", None).await).await });
}

pub(super) fn on_server<F: Future<Output = ()>>(case: impl FnOnce(Lab) -> F) {
    let server = Server::start().unwrap();
    run(async { case(Lab::over(&server.url(), Some(server)).await).await });
}

fn run(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, case).await.expect("the case hangs") });
}

impl Lab {
    async fn over(url: &str, server: Option<Server>) -> Self {
        let mut config = BusConfig::default();
        config.connect_timeout = Duration::from_millis(500);
        config.response_timeout = Duration::from_secs(2);
        config.publish_timeout = Duration::from_secs(1);
        let bus = Bus::connect(url).role(Role::Standalone).platforms(["redis"]).config(config).await.unwrap();
        let platform = RedisPlatform::new(bus.clone(), RedisPlatformConfig::default()).unwrap();
        Self { bus, platform, server }
    }

    /// Another platform on the same bus.
    pub(super) fn with(&self, change: impl FnOnce(&mut RedisPlatformConfig)) -> RedisPlatform {
        let mut config = RedisPlatformConfig::default();
        change(&mut config);
        RedisPlatform::new(self.bus.clone(), config).unwrap()
    }

    pub(super) fn store(&self) -> Store {
        self.bus.store()
    }

    /// Makes an instance; its key.
    pub(super) async fn instance(&self, id: &str) -> String {
        self.platform.create_instance(NewInstance::new().with_id(id)).await.unwrap().api_key
    }

    /// A field of a hash as text, `None` where there is none.
    pub(super) async fn field(&self, key: &str, field: &'static str) -> Option<String> {
        let value = self.store().hash_get(key, field).await.unwrap();
        value.map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    pub(super) async fn put(&self, key: &str, field: &str, value: &[u8]) {
        self.store().hash_set(key, [(field.to_owned(), value.to_vec())], None).await.unwrap();
    }

    /// Every key of the platform on the server; in memory those of one instance that are there.
    pub(super) async fn keys(&self, id: &str) -> Vec<String> {
        if let Some(server) = &self.server {
            let Reply::List(keys) = server.command(&["KEYS", "redis_platform:*"]).unwrap() else { panic!("no keys") };
            return keys.iter().map(Reply::text).collect();
        }
        let names = RedisPlatformNames::default();
        let all = [
            names.meta(id),
            names.keys(id),
            names.users(id),
            names.replies(id),
            names.belongings(id),
            names.wait_lock(id),
        ];
        let ops = all.iter().map(|key| Op::Exists { key: key.clone() }).collect();
        let found = self.store().apply(ops).await.unwrap();
        let there = all.iter().zip(found).filter(|(_, found)| *found == Answer::Flag(true));
        there.map(|(key, _)| key.to_string()).collect()
    }
}

/// A named message for an instance.
pub(super) fn message(instance: &str, text: &str) -> Injection {
    Injection::new(instance, text, "u1").with_user_name("Ann")
}

pub(super) fn file(name: &str, data: &[u8]) -> File {
    File { filename: name.into(), mimetype: "text/plain".into(), data: data.to_vec().into() }
}

/// A map of texts.
pub(super) fn map<const N: usize>(pairs: [(&str, &str); N]) -> Map {
    Map::from(pairs)
}

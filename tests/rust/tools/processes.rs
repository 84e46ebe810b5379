//! Caller and tools are two processes of the operating system.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use stargazer_core::envelope::Map;
use stargazer_core::rpc::CallOptions;
use stargazer_core::{ErrorKind, config};
use stargazer_tests::Server;

use super::{connect, named, run, shout, until, words};

/// Not a test: what the other process runs, which is this program once more. Serves until it is killed.
#[test]
#[ignore = "the other process of the tests below"]
#[allow(clippy::print_stdout, reason = "tells the test that it serves")]
fn the_other_process() {
    let Some(url) = config::url_from_env() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bus = connect(&url).await;
        let service = bus.serve_tools([shout(), named("one")]).await.unwrap();
        println!("serving {}", service.instance());
        std::future::pending::<()>().await;
    });
}

struct Other {
    child: Child,
    instance: String,
}

impl Other {
    fn start(url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "tools::processes::the_other_process",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ]);
        let mut child = command.env("REDIS_URL", url).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.map(Result::unwrap).find_map(|line| line.split("serving ").nth(1).map(str::to_owned));
        Self { child, instance: said.expect("the other process serves") }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_tool_of_another_process_is_called() {
    let server = Server::start().unwrap();
    run(async {
        let other = Other::start(&server.url());
        let bus = connect(&server.url()).await;
        assert_eq!(bus.call::<_, String>("shout", &words("hello")).await.unwrap(), "HELLO ");
        let registry = bus.tool_registry().await.unwrap();
        let calls = (0..200).map(|n| {
            let registry = &registry;
            async move {
                let answer = registry.call("shout", words(&format!("n{n}")), CallOptions::default()).await.unwrap();
                (answer.decode::<String>().unwrap(), format!("N{n} "))
            }
        });
        for (found, expected) in futures_util::future::join_all(calls).await {
            assert_eq!(found, expected);
        }
        assert_eq!(registry.workers().await.unwrap()[0].instance, other.instance);
        bus.close().await.unwrap();
    });
}

#[test]
fn the_tools_of_a_killed_process_leave_the_catalog() {
    let server = Server::start().unwrap();
    run(async {
        let mut other = Other::start(&server.url());
        let bus = connect(&server.url()).await;
        let service = bus.serve_tools([named("one")]).await.unwrap();
        let registry = bus.tool_registry().await.unwrap();
        assert_eq!(registry.definitions().len(), 2);
        other.kill();
        let only_mine = || async { registry.workers().await.unwrap().len() == 1 };
        until("its sign of life is over", only_mine).await;
        until("its tool has gone", || async { registry.get("shout").is_err() }).await;
        let answer = registry.call("one", Map::new(), CallOptions::default()).await.unwrap();
        assert_eq!(answer.decode::<String>().unwrap(), "one");
        let error = registry.call("shout", words("x"), CallOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        service.close().await.unwrap();
        bus.close().await.unwrap();
    });
}

//! A server that goes away, and one that comes back having forgotten everything.

use stargazer_core::envelope::Map;
use stargazer_core::rpc::CallOptions;
use stargazer_tests::{Options, Server};

use super::{connect, named, run, until};

#[test]
fn a_catalog_that_was_lost_is_put_back_and_read_again() {
    let mut server = Server::start_with(Options { appendonly: false, ..Options::default() }).unwrap();
    run(async {
        let (caller, worker) = (connect(&server.url()).await, connect(&server.url()).await);
        let service = worker.serve_tools([named("one")]).await.unwrap();
        let registry = caller.tool_registry().await.unwrap();
        let version = registry.version();
        server.kill().unwrap();
        server.restart().unwrap();
        let back = || async { caller.store().get("sg:tools:catalog:current").await.is_ok_and(|found| found.is_some()) };
        until("the service has put its tools back", back).await;
        // Other tools may now stand under the version that was known before.
        until("the registry has looked again", || async { registry.reload().await.is_ok() }).await;
        assert!(registry.get("one").is_ok(), "before: {version}, now: {}", registry.version());
        let answered = || async { registry.call("one", Map::new(), CallOptions::default()).await.is_ok() };
        until("it is answered again", answered).await;
        assert_eq!(registry.workers().await.unwrap()[0].instance, service.instance());
        service.close().await.unwrap();
        caller.close().await.unwrap();
        worker.close().await.unwrap();
    });
}

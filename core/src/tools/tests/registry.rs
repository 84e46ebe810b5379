//! The registry: what it offers, where a call goes, and what becomes of a stale catalog.

use super::*;
use crate::envelope::{Limits, json};
use crate::policy::ToolsMode;
use crate::rpc::code as codes;

#[tokio::test(start_paused = true)]
async fn a_stale_catalog_is_read_again_and_the_call_made_once_more() {
    let bus = bus();
    let one = bus.serve_tools([says("hello", "hi")]).await.unwrap();
    let registry = bus.tool_registry().await.unwrap();
    let old = registry.schema_hash();
    let two = bus.serve_tools([weather()]).await.unwrap();
    // A caller that says an old hash, and knows no better.
    let options = CallOptions::default().with_schema_hash(&old);
    let error = bus.call_with("hello", Map::new(), options).await.unwrap_err();
    assert_eq!((error.kind(), code(&error)), (ErrorKind::Remote, codes::CATALOG_STALE));
    assert_eq!(text(registry.call("hello", Map::new(), CallOptions::default()).await), "hi");
    assert_eq!(registry.schema_hash(), two.schema_hash());
    assert_ne!(registry.schema_hash(), old);
    one.close().await.unwrap();
    two.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_registry_follows_the_catalog() {
    let bus = bus();
    let registry = bus.tool_registry().await.unwrap();
    assert_eq!((registry.version(), registry.definitions().len()), (String::new(), 0));
    let error = registry.call("weather", city("x"), CallOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "no tool is called `weather`; there are none"));
    let service = bus.serve_tools([weather()]).await.unwrap();
    registry.changed("").await.unwrap();
    assert_eq!(registry.schema_hash(), service.schema_hash());
    let expected = r#"[{"type": "function", "function": {"name": "weather", "description": "Weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"description":
        "How many days ahead.", "type": ["integer", "null"], "format": "uint8", "minimum": 0, "maximum": 255,
        "default": null}}, "required": ["city"]}}}]"#;
    let read = |text: &str| json::decode(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(read(&registry.openai_json()), read(expected));
    let error = registry
        .call("weather", Map::from([("city", Value::from("x")), ("days", 300.into())]), CallOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "a wrong call is never sent");
    assert_eq!(error.message(), "arguments of `weather`: `days` must be at most 255, found integer 300");
    assert_eq!(service.figures().handlers[0].failed, 0);
    service.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_by_place_and_mode() {
    let bus = bus();
    let service = bus.serve_tools([says("both", "service"), says("far", "service")]).await.unwrap();
    let own = || {
        [
            says("both", "here"),
            says("near", "here"),
            says("nested", "here").place(Place::Worker),
            says("voice", "").place(Place::Gateway),
        ]
    };
    let far = Route::Service(Some(service.service().to_owned()));
    let local = bus.tool_registry().tools(own()).await.unwrap();
    let remote = bus.tool_registry().tools(own()).mode(ToolsMode::Remote).await.unwrap();
    let forced = bus.tool_registry().tools(own()).mode(ToolsMode::Remote).force_in_process(["both"]).await.unwrap();
    for (registry, both, near) in [
        (&local, Route::InProcess, Route::InProcess),
        (&remote, far.clone(), Route::Service(None)),
        (&forced, Route::InProcess, Route::Service(None)),
    ] {
        assert_eq!(registry.route("both").unwrap(), both);
        assert_eq!(registry.route("near").unwrap(), near);
        assert_eq!(registry.route("far").unwrap(), far);
        assert_eq!(registry.route("nested").unwrap(), Route::InProcess);
        assert_eq!(registry.route("voice").unwrap(), Route::Gateway);
        assert_eq!(registry.route("none").unwrap_err().kind(), ErrorKind::NotFound);
    }
    let described =
        |registry: &RemoteRegistry| registry.definitions().iter().map(|t| t.name.clone()).collect::<Vec<_>>();
    assert_eq!(described(&local), ["both", "far", "near", "nested", "voice"]);
    assert_eq!(described(&local), described(&remote));
    let mut config = BusConfig::default();
    (config.tools_service_mode, config.tools_force_in_process) = (ToolsMode::Remote, vec!["both".into(), "x".into()]);
    let set = Bus::over(Engine::new(SystemClock::shared()), SystemClock::shared(), config);
    let set = set.tool_registry().tools(own()).await.unwrap();
    assert_eq!((set.route("both").unwrap(), set.route("near").unwrap()), (Route::InProcess, Route::Service(None)));
    let call = async |registry: &RemoteRegistry| text(registry.call("both", Map::new(), CallOptions::default()).await);
    assert_eq!(
        (call(&local).await, call(&remote).await, call(&forced).await),
        ("here".into(), "service".into(), "here".into())
    );
    let error = bus.tool_registry().force_in_process(["both"]).await.unwrap_err();
    assert_eq!((error.kind(), error.context()[0].1.as_str()), (ErrorKind::Invalid, "force_in_process"));
    let error = remote.call("voice", Map::new(), CallOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.context()[0].1.as_str()), (ErrorKind::Invalid, "identity"), "which gateway?");
    service.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_offered_depends_on_who_asks() {
    let bus = bus();
    let service = bus.serve_tools([weather(), says("ban", "").permissions(["admin"])]).await.unwrap();
    let registry = bus.tool_registry().await.unwrap();
    assert_eq!(tool_names(&registry.definitions()), ["ban", "weather"]);
    assert_eq!(tool_names(&registry.definitions_for(&ann()).await.unwrap()), ["weather"]);
    let grants = Arc::new(Grants::new().with("web:ann", ["*"]));
    let knowing = bus.tool_registry().authority(grants).await.unwrap();
    assert_eq!(tool_names(&knowing.definitions_for(&ann()).await.unwrap()), ["ban", "weather"]);
    assert_eq!(knowing.openai_tools_for(&Identity::default()).await.unwrap().as_list().unwrap().len(), 1);
    // The service is asked all the same, and knows of no permissions.
    let error = knowing.call("ban", Map::new(), as_ann()).await.unwrap_err();
    assert_eq!((error.kind(), code(&error)), (ErrorKind::Remote, PERMISSION_DENIED));
    assert_eq!(service.figures().handlers[0].failed, 1);
    let error = knowing.call("ban", Map::new(), CallOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), code(&error)), (ErrorKind::Remote, PERMISSION_DENIED));
    assert_eq!(service.figures().handlers[0].failed, 1, "it is refused here already");
    service.close().await.unwrap();
}

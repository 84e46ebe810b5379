//! The roster of an instance.

use stargazer_core::envelope::{Map, Value};

use super::lab::{Lab, map};

pub(super) async fn a_user_is_registered_read_and_removed(lab: Lab) {
    lab.instance("a").await;
    assert!(!lab.platform.has_users("a").await.unwrap());
    let ann = lab.platform.register_user("a", "u2", "Ann", map([("role", "admin")])).await.unwrap();
    lab.platform.register_user("a", "u1", "Bob", Map::new()).await.unwrap();
    assert!(lab.platform.has_users("a").await.unwrap() && lab.platform.user_exists("a", "u2").await.unwrap());
    assert_eq!(lab.platform.get_user("a", "u2").await.unwrap().unwrap(), ann);
    let names = |listing: &stargazer_core::platform::redis::Listing<stargazer_core::platform::redis::User>| {
        listing.items.iter().map(|user| user.display_name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&lab.platform.list_users("a").await.unwrap()), ["Bob", "Ann"]);
    // Registering again replaces the whole record.
    lab.platform.register_user("a", "u2", "Anna", Map::new()).await.unwrap();
    let anna = lab.platform.get_user("a", "u2").await.unwrap().unwrap();
    assert_eq!((anna.display_name.as_str(), anna.metadata.len()), ("Anna", 0));
    assert!(lab.platform.delete_user("a", "u2").await.unwrap());
    assert!(!lab.platform.delete_user("a", "u2").await.unwrap());
    assert!(lab.platform.get_user("a", "u2").await.unwrap().is_none());
    assert!(!lab.platform.user_exists("a", "u2").await.unwrap());
    assert!(lab.platform.delete_user("a", "u1").await.unwrap());
    assert!(!lab.platform.has_users("a").await.unwrap());
}

pub(super) async fn records_are_those_of_the_original(lab: Lab) {
    lab.instance("a").await;
    let metadata = Map::from([("n", Value::from(1)), ("list", vec![1.5, 2.0].into())]);
    let user = lab.platform.register_user("a", "u1", "Jörg", metadata).await.unwrap();
    let record = lab.field("redis_platform:users:a", "u1").await.unwrap();
    let start = r#"{"user_id": "u1", "display_name": "J\u00f6rg", "metadata": {"n": 1, "list": [1.5, 2.0]}, "registered_at": ""#;
    assert_eq!(record, format!("{start}{}\"}}", user.registered_at));
    assert!(user.registered_at.ends_with("+00:00"));
}

pub(super) async fn broken_records_are_left_out(lab: Lab) {
    lab.instance("a").await;
    lab.platform.register_user("a", "good", "Good", Map::new()).await.unwrap();
    let broken: [(&str, &[u8]); 4] =
        [("no_json", b"{"), ("no_object", b"[1]"), ("no_name", b"{}"), ("no_text", b"\xff")];
    for (id, record) in broken {
        lab.put("redis_platform:users:a", id, record).await;
    }
    let listing = lab.platform.list_users("a").await.unwrap();
    assert_eq!(listing.items.iter().map(|user| user.user_id.as_str()).collect::<Vec<_>>(), ["good"]);
    let skipped: Vec<&str> = listing.skipped.iter().map(|skipped| skipped.id.as_str()).collect();
    assert_eq!(skipped, ["no_json", "no_name", "no_object", "no_text"]);
    for (id, _) in broken {
        assert!(lab.platform.get_user("a", id).await.unwrap().is_none());
        assert!(lab.platform.user_exists("a", id).await.unwrap());
        assert!(lab.platform.delete_user("a", id).await.unwrap());
    }
}

pub(super) async fn an_unknown_instance_has_no_users(lab: Lab) {
    let error = lab.platform.register_user("unknown", "u1", "Ann", Map::new()).await.unwrap_err();
    assert_eq!(error.code(), "not_found");
    assert!(!lab.store().exists("redis_platform:users:unknown").await.unwrap());
    assert!(lab.platform.list_users("unknown").await.unwrap().items.is_empty());
    assert!(!lab.platform.has_users("unknown").await.unwrap());
    assert!(!lab.platform.delete_user("unknown", "u1").await.unwrap());
}

pub(super) async fn what_cannot_be_kept_is_refused(lab: Lab) {
    lab.instance("a").await;
    let refused = async |id: &str, name: &str, metadata: Map| {
        lab.platform.register_user("a", id, name, metadata).await.unwrap_err()
    };
    assert_eq!(refused("", "Ann", Map::new()).await.context()[0].1, "user_id");
    assert_eq!(refused("a\0", "Ann", Map::new()).await.context()[0].1, "user_id");
    assert_eq!(refused("u1", " ", Map::new()).await.context()[0].1, "display_name");
    assert_eq!(refused("u1", &"n".repeat(2000), Map::new()).await.context()[0].1, "display_name");
    let big = Map::from([("note", "x".repeat(70_000))]);
    assert_eq!(refused("u1", "Ann", big).await.code(), "too_large");
    let mut deep = Value::from(1);
    for _ in 0..1000 {
        deep = Value::List(vec![deep]);
    }
    assert_eq!(refused("u1", "Ann", Map::from([("deep", deep)])).await.code(), "too_large");
    assert!(!lab.platform.has_users("a").await.unwrap());
}

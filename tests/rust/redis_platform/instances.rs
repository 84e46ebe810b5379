//! Instances and their keys.

use std::time::Duration;

use stargazer_core::envelope::{Map, Value};
use stargazer_core::platform::redis::{MAX_ID_BYTES, NewInstance, RESERVED};
use stargazer_core::platform::{Adapter, SendContext};
use stargazer_core::store::EntryId;
use stargazer_core::topology::redis_platform::INSTANCES;

use super::lab::{Lab, map, message};

/// Ids that mean something to servers, to patterns, to addresses or to us.
pub(super) const ODD_IDS: [&str; 10] =
    ["a:b", "a%3Ab", "two words", "*", "[a-z]?", "{tag}", "../..", "Zürich 🌟", "a\\b\"c'", "x"];

pub(super) async fn a_key_is_shown_once_and_kept_as_a_hash(lab: Lab) {
    let created = lab.platform.create_instance(NewInstance::new().with_display_name("Demo")).await.unwrap();
    let id = created.instance_id.as_str();
    assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    assert_eq!(created.api_key.len(), 43);
    let meta = lab.store().hash_get_all(&format!("redis_platform:meta:{id}")).await.unwrap();
    let mut names: Vec<&str> = meta.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["created_at", "display_name"]);
    let kept = lab.store().hash_get_all(&format!("redis_platform:keys:{id}")).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].0.len() == 64 && kept[0].0 != created.api_key);
    assert!(!format!("{created:?}").contains(&created.api_key));
    let instance = lab.platform.get_instance(id).await.unwrap().unwrap();
    assert_eq!((instance.display_name.as_str(), instance.metadata.len()), ("Demo", 0));
    assert!(instance.created_at.ends_with("+00:00"), "{}", instance.created_at);
}

pub(super) async fn only_the_right_key_opens(lab: Lab) {
    let key = lab.instance("a").await;
    let other = lab.instance("b").await;
    assert!(lab.platform.validate_api_key("a", &key).await.unwrap());
    let hash = lab.store().hash_get_all("redis_platform:keys:a").await.unwrap().remove(0).0;
    for wrong in [other.as_str(), "", &hash, &key[..42], &"x".repeat(100_000)] {
        assert!(!lab.platform.validate_api_key("a", wrong).await.unwrap());
    }
    assert!(!lab.platform.validate_api_key("unknown", &key).await.unwrap());
    assert!(!lab.platform.validate_api_key("", &key).await.unwrap());
    let chosen = NewInstance::new().with_id("c").with_api_key("a key of my own");
    assert_eq!(lab.platform.create_instance(chosen).await.unwrap().api_key, "a key of my own");
    assert!(lab.platform.validate_api_key("c", "a key of my own").await.unwrap());
}

pub(super) async fn of_many_creators_one_wins(lab: Lab) {
    let create = |n: u32| {
        let new = NewInstance::new().with_id("same").with_display_name(n.to_string());
        lab.platform.create_instance(new)
    };
    let all = tokio::join!(create(0), create(1), create(2), create(3), create(4), create(5));
    let mut won = Vec::new();
    for result in <[_; 6]>::from(all) {
        match result {
            Ok(created) => won.push(created.api_key),
            Err(error) => assert_eq!(error.code(), "conflict"),
        }
    }
    assert_eq!(won.len(), 1);
    assert!(lab.platform.validate_api_key("same", &won[0]).await.unwrap());
}

pub(super) async fn any_text_is_an_id_of_its_own(lab: Lab) {
    let long = "l".repeat(MAX_ID_BYTES);
    let ids: Vec<&str> = ODD_IDS.into_iter().chain([long.as_str()]).collect();
    let mut keys = Vec::new();
    for id in &ids {
        keys.push(lab.instance(id).await);
        lab.platform.register_user(id, id, &format!("user of {id}"), Map::new()).await.unwrap();
    }
    for (id, key) in ids.iter().zip(&keys) {
        assert!(lab.platform.instance_exists(id).await.unwrap());
        for other in &ids {
            assert_eq!(lab.platform.validate_api_key(other, key).await.unwrap(), id == other, "{id:?} {other:?}");
        }
        assert_eq!(lab.platform.get_instance(id).await.unwrap().unwrap().display_name, *id);
        assert!(lab.platform.update_instance(id, None, &map([("at", id)])).await.unwrap());
        let user = lab.platform.get_user(id, id).await.unwrap().unwrap();
        assert_eq!(user.display_name, format!("user of {id}"));
        let mut injection = message(id, "hello");
        injection.user_id = (*id).to_owned();
        lab.platform.inject_message(injection).await.unwrap();
    }
    let listed = lab.platform.list_instances().await.unwrap();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    assert_eq!(listed.items.iter().map(|item| item.instance_id.as_str()).collect::<Vec<_>>(), sorted);
    assert_eq!(listed.skipped, []);
    for id in ids.iter().skip(1) {
        assert!(lab.platform.delete_instance(id).await.unwrap().existed);
    }
    assert!(lab.platform.validate_api_key(ids[0], &keys[0]).await.unwrap());
    assert_eq!(lab.platform.list_users(ids[0]).await.unwrap().items.len(), 1);
}

pub(super) async fn what_cannot_be_an_id_is_refused(lab: Lab) {
    for id in ["", "a\nb", "\0", &"x".repeat(MAX_ID_BYTES + 1)] {
        let error = lab.platform.create_instance(NewInstance::new().with_id(id)).await.unwrap_err();
        assert_eq!(error.code(), "invalid");
        assert!(error.context().contains(&("field", "instance_id".into())), "{error}");
        assert!(!lab.platform.instance_exists(id).await.unwrap());
        assert!(lab.platform.get_instance(id).await.unwrap().is_none());
    }
    for key in ["", &"k".repeat(2000)] {
        let error = lab.platform.create_instance(NewInstance::new().with_api_key(key)).await.unwrap_err();
        assert!(error.context().contains(&("field", "api_key".into())), "{error}");
    }
    assert!(lab.platform.list_instances().await.unwrap().items.is_empty());
}

pub(super) async fn what_is_too_long_to_exist_does_not(lab: Lab) {
    let (id, platform) = ("x".repeat(100_000), &lab.platform);
    let id = id.as_str();
    assert!(!platform.instance_exists(id).await.unwrap() && !platform.has_users(id).await.unwrap());
    assert!(platform.get_instance(id).await.unwrap().is_none());
    assert!(!platform.validate_api_key(id, "key").await.unwrap());
    assert!(!platform.update_instance(id, Some("x"), &Map::new()).await.unwrap());
    assert!(platform.get_user(id, "u").await.unwrap().is_none());
    assert!(!platform.user_exists(id, "u").await.unwrap() && !platform.delete_user(id, "u").await.unwrap());
    assert!(platform.list_users(id).await.unwrap().items.is_empty());
    assert_eq!(platform.register_user(id, "u", "U", Map::new()).await.unwrap_err().code(), "not_found");
    assert_eq!(platform.send(id, "x", &SendContext::new()).await.unwrap_err().code(), "not_found");
    assert!(!platform.is_channel_valid(id).await.unwrap());
    assert!(platform.replies(id, EntryId::ZERO, 1, Duration::ZERO).await.unwrap().items.is_empty());
    assert!(platform.turn_replies(id, id, EntryId::ZERO, 1, Duration::ZERO).await.unwrap().items.is_empty());
    assert_eq!(platform.last_reply(id).await.unwrap(), EntryId::ZERO);
    assert_eq!(platform.inject_message(message(id, "x")).await.unwrap_err().code(), "invalid");
    assert_eq!(platform.delete_instance(id).await.unwrap_err().code(), "invalid");
    assert!(platform.get_file(id).await.unwrap().is_none());
    lab.store().set_add(INSTANCES, [id.to_owned()], None).await.unwrap();
    assert_eq!(platform.list_instances().await.unwrap().skipped[0].reason, "its id is too long");
}

pub(super) async fn metadata_touch_no_field_of_ours(lab: Lab) {
    let key = lab.instance("a").await;
    for name in RESERVED {
        let taken = map([(name, "planted")]);
        let new = NewInstance::new().with_metadata(taken.clone());
        assert_eq!(lab.platform.create_instance(new).await.unwrap_err().code(), "invalid");
        assert_eq!(lab.platform.update_instance("a", None, &taken).await.unwrap_err().code(), "invalid");
    }
    // Planted past us, by a program that lets metadata through.
    lab.put("redis_platform:meta:a", "api_key", b"planted").await;
    assert!(!lab.platform.validate_api_key("a", "planted").await.unwrap());
    assert!(lab.platform.validate_api_key("a", &key).await.unwrap());
    let shown = lab.platform.get_instance("a").await.unwrap().unwrap();
    assert!(!format!("{shown:?} {:?}", shown.to_map()).contains("planted"));
    let big = Map::from([("note", "x".repeat(70_000))]);
    assert_eq!(lab.platform.update_instance("a", None, &big).await.unwrap_err().code(), "too_large");
}

pub(super) async fn an_update_leaves_key_and_creation_alone(lab: Lab) {
    let new = NewInstance::new().with_id("a").with_metadata(map([("zone", "eu"), ("team", "red")]));
    let key = lab.platform.create_instance(new).await.unwrap().api_key;
    let before = lab.platform.get_instance("a").await.unwrap().unwrap();
    let change = Map::from([("team", Value::from("blue")), ("seats", 3.into()), ("beta", true.into())]);
    assert!(lab.platform.update_instance("a", Some("Demo"), &change).await.unwrap());
    let after = lab.platform.get_instance("a").await.unwrap().unwrap();
    assert_eq!((after.display_name.as_str(), &after.created_at), ("Demo", &before.created_at));
    assert_eq!(after.metadata, map([("beta", "True"), ("seats", "3"), ("team", "blue"), ("zone", "eu")]));
    assert!(lab.platform.validate_api_key("a", &key).await.unwrap());
    // Nothing to change is fine; an unknown instance is told, and not made.
    assert!(lab.platform.update_instance("a", None, &Map::new()).await.unwrap());
    for change in [Map::new(), map([("a", "b")])] {
        assert!(!lab.platform.update_instance("unknown", None, &change).await.unwrap());
    }
    assert!(!lab.store().exists("redis_platform:meta:unknown").await.unwrap());
}

pub(super) async fn lists_are_sorted_and_leave_broken_records_out(lab: Lab) {
    for id in ["c", "a", "d", "b", "e"] {
        lab.instance(id).await;
    }
    lab.put("redis_platform:meta:b", "zone", b"\xff\xfe").await;
    lab.store().delete(["redis_platform:meta:c", "redis_platform:meta:d"]).await.unwrap();
    lab.store().set("redis_platform:meta:d", "not a hash", None).await.unwrap();
    lab.store().set_add(INSTANCES, [&b"\xff\xff"[..]], None).await.unwrap();
    let listing = lab.platform.list_instances().await.unwrap();
    assert_eq!(listing.items.iter().map(|item| item.instance_id.as_str()).collect::<Vec<_>>(), ["a", "e"]);
    let mut skipped: Vec<&str> = listing.skipped.iter().map(|skipped| skipped.id.as_str()).collect();
    skipped.sort_unstable();
    assert_eq!(skipped, ["b", "c", "d", "\u{fffd}\u{fffd}"]);
    assert!(listing.skipped.iter().all(|skipped| !skipped.reason.is_empty()));
    assert_eq!(lab.platform.get_instance("b").await.unwrap_err().code(), "malformed");
    assert!(lab.platform.get_instance("c").await.unwrap().is_none());
    assert_eq!(lab.platform.get_instance("d").await.unwrap_err().code(), "invalid");
}

pub(super) async fn keys_in_clear_are_read_and_on_request_written(lab: Lab) {
    // As the original writes an instance.
    lab.store().set_add(INSTANCES, ["old"], None).await.unwrap();
    lab.put("redis_platform:meta:old", "api_key", b"a clear key").await;
    lab.put("redis_platform:meta:old", "display_name", b"Old").await;
    assert!(lab.platform.validate_api_key("old", "a clear key").await.unwrap());
    assert!(!lab.platform.validate_api_key("old", "another").await.unwrap());
    let legacy = lab.with(|config| config.legacy_writes = true);
    let created = legacy.create_instance(NewInstance::new().with_id("team:1")).await.unwrap();
    assert_eq!(lab.field("redis_platform:meta:team:1", "api_key").await.as_ref(), Some(&created.api_key));
    assert!(!lab.store().exists("redis_platform:keys:team%3A1").await.unwrap());
    assert!(legacy.validate_api_key("team:1", &created.api_key).await.unwrap());
    assert!(!format!("{:?}", legacy.list_instances().await.unwrap()).contains(&created.api_key));
    assert_eq!(legacy.delete_instance("team:1").await.unwrap().warnings, Vec::<&str>::new());
}

pub(super) async fn a_new_instance_inherits_nothing(lab: Lab) {
    lab.put("redis_platform:meta:a", "zone", b"left behind").await;
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    lab.put("redis_platform:keys:a", hash, b"2026").await;
    lab.instance("a").await;
    assert!(!lab.platform.validate_api_key("a", "abc").await.unwrap());
    assert!(lab.platform.get_instance("a").await.unwrap().unwrap().metadata.is_empty());
}

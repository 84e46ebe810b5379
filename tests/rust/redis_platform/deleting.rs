//! Deleting, and what the server may do meanwhile.

use std::time::Duration;

use stargazer_core::envelope::Map;
use stargazer_core::platform::redis::NewInstance;
use stargazer_core::platform::{Adapter, SendContext, TurnEnd};
use stargazer_core::store::EntryId;

use super::lab::{Lab, file, message};

pub(super) async fn everything_goes_and_is_counted(lab: Lab) {
    let key = lab.instance("a").await;
    for n in 0..3 {
        lab.platform.register_user("a", &format!("u{n}"), "Ann", Map::new()).await.unwrap();
    }
    let context = SendContext::new().with_trace_id("t1");
    let url = lab.platform.send_file("a", &file("a.txt", b"x"), &context).await.unwrap();
    lab.platform.send_file("a", &file("b.txt", b"x"), &context).await.unwrap();
    lab.platform.turn_complete("a", &TurnEnd::completed("n1").with_trace_id("t2")).await.unwrap();
    // State of the original's pipeline.
    let state = [
        "message_batching_disabled:redis:a",
        "message_batching_enabled:redis:a",
        "message_batching_batch_window:redis:a",
        "channel_goals:redis:a",
        "channel_recall_zset:redis:a",
        "channel_msgs:redis:a",
        "redis_platform:wait_lock:a",
    ];
    for key in state {
        lab.store().set(key, "x", None).await.unwrap();
    }
    let deleted = lab.platform.delete_instance("a").await.unwrap();
    assert!(deleted.existed);
    assert_eq!((deleted.users, deleted.files, deleted.turns), (3, 2, 2));
    // Record, keys, users, replies; files, turns, what is remembered of three replies; state.
    assert_eq!(deleted.keys, 4 + 4 + 3 + 7);
    assert_eq!(deleted.warnings, Vec::<&str>::new());
    assert_eq!(lab.keys("a").await, Vec::<String>::new());
    for key in state {
        assert!(!lab.store().exists(key).await.unwrap(), "{key}");
    }
    assert!(lab.platform.get_file(url.split('/').nth(3).unwrap()).await.unwrap().is_none());
    assert!(!lab.platform.instance_exists("a").await.unwrap());
    assert!(lab.platform.get_instance("a").await.unwrap().is_none());
    assert!(!lab.platform.validate_api_key("a", &key).await.unwrap());
    assert!(lab.platform.replies("a", EntryId::ZERO, 10, Duration::ZERO).await.unwrap().items.is_empty());
    assert!(deleted.to_map().get("users").is_some());
}

pub(super) async fn deleting_nothing_is_told(lab: Lab) {
    let deleted = lab.platform.delete_instance("unknown").await.unwrap();
    assert_eq!((deleted.existed, deleted.keys, &deleted.warnings[..]), (false, 0, &["unknown_instance"][..]));
    lab.put("redis_platform:meta:half", "display_name", b"left behind").await;
    let deleted = lab.platform.delete_instance("half").await.unwrap();
    assert_eq!((deleted.existed, deleted.keys), (false, 1));
    lab.instance("odd").await;
    lab.store().delete(["redis_platform:meta:odd", "redis_platform:keys:odd"]).await.unwrap();
    let deleted = lab.platform.delete_instance("odd").await.unwrap();
    assert_eq!(deleted.warnings, ["no_record", "no_key"]);
    assert_eq!(lab.platform.delete_instance("").await.unwrap_err().code(), "invalid");
}

pub(super) async fn what_is_deleted_meanwhile_stays_deleted(lab: Lab) {
    lab.instance("a").await;
    let platform = &lab.platform;
    let busy = async |n: usize| {
        let (mut gone, mut round) = (0, 0);
        while gone < 5 {
            round += 1;
            let context = SendContext::new().with_trace_id(format!("t{n}"));
            let result = match n {
                0 => platform.inject_message(message("a", "hi")).await.map(drop),
                1 => platform.send("a", "hi", &context).await.map(drop),
                2 => platform.send_file("a", &file("a.txt", b"x"), &context).await.map(drop),
                3 => platform.register_user("a", &format!("u{round}"), "Ann", Map::new()).await.map(drop),
                _ => match platform.update_instance("a", Some("new"), &Map::new()).await {
                    Ok(false) => Err(stargazer_core::Error::new(stargazer_core::ErrorKind::NotFound, "gone")),
                    other => other.map(drop),
                },
            };
            match result {
                Err(error) if error.code() == "not_found" => gone += 1,
                // The roster that the fourth one makes.
                Err(error) if n == 0 && error.code() == "rejected" => assert_eq!(gone, 0),
                Err(error) => panic!("{n}: {error}"),
                Ok(()) => assert_eq!(gone, 0, "{n}: it came back"),
            }
            tokio::task::yield_now().await;
        }
    };
    let deleting = async {
        for _ in 0..10 {
            platform.instance_exists("a").await.unwrap();
            tokio::task::yield_now().await;
        }
        assert!(platform.delete_instance("a").await.unwrap().existed);
    };
    tokio::join!(busy(0), busy(1), busy(2), busy(3), busy(4), deleting);
    assert_eq!(lab.keys("a").await, Vec::<String>::new());
}

pub(super) async fn nobody_elses_keys_go(lab: Lab) {
    for id in ["a", "a:b", "*", "a%3Ab"] {
        lab.instance(id).await;
        lab.platform.send(id, "hello", &SendContext::new().with_trace_id("t")).await.unwrap();
    }
    // A belonging that is none, and one with the name of somebody else's.
    lab.store().sorted_add("redis_platform:belongings:*", [("turn:a:t", 1e15), ("keys:a", 2e15)], None).await.unwrap();
    lab.store().set("keys:a", "x", None).await.unwrap();
    lab.platform.delete_instance("*").await.unwrap();
    lab.platform.delete_instance("a:b").await.unwrap();
    for id in ["a", "a%3Ab"] {
        let turn = lab.platform.turn_replies(id, "t", EntryId::ZERO, 10, Duration::ZERO).await.unwrap();
        assert_eq!(turn.items.len(), 1, "{id}");
        assert!(lab.platform.get_instance(id).await.unwrap().is_some());
    }
    assert!(lab.store().exists("keys:a").await.unwrap());
}

pub(super) async fn trouble_with_the_server_is_an_error(mut lab: Lab) {
    let key = lab.instance("a").await;
    lab.server.as_mut().unwrap().kill().unwrap();
    let platform = &lab.platform;
    let (context, nothing, note) = (SendContext::new(), Map::new(), file("a", b"x"));
    tokio::join!(
        told(platform.instance_exists("a")),
        told(platform.validate_api_key("a", &key)),
        told(platform.list_instances()),
        told(platform.get_instance("a")),
        told(platform.update_instance("a", Some("x"), &nothing)),
        told(platform.create_instance(NewInstance::new())),
        told(platform.delete_instance("a")),
        told(platform.has_users("a")),
        told(platform.user_exists("a", "u")),
        told(platform.list_users("a")),
        told(platform.get_user("a", "u")),
        told(platform.register_user("a", "u", "U", Map::new())),
        told(platform.delete_user("a", "u")),
        told(platform.inject_message(message("a", "x"))),
        told(platform.is_channel_valid("a")),
        told(platform.send("a", "x", &context)),
        told(platform.send_file("a", &note, &context)),
        told(platform.get_file("f")),
        told(platform.replies("a", EntryId::ZERO, 1, Duration::ZERO)),
    );
}

/// The call must tell that the server is not there.
async fn told<T: std::fmt::Debug>(call: impl Future<Output = stargazer_core::Result<T>>) {
    let error = call.await.unwrap_err();
    assert!(matches!(error.code(), "unavailable" | "timeout"), "{error}");
}

pub(super) async fn a_short_break_is_not_told(lab: Lab) {
    lab.instance("a").await;
    let server = lab.server.as_ref().unwrap();
    for _ in 0..5 {
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        assert!(lab.platform.is_channel_valid("a").await.unwrap());
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        lab.platform.send("a", "x", &SendContext::new().with_message_key("k")).await.unwrap();
    }
    assert_eq!(lab.platform.replies("a", EntryId::ZERO, 10, Duration::ZERO).await.unwrap().items.len(), 1);
}

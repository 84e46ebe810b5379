//! Messages into an instance.

use std::sync::{Arc, Mutex};

use stargazer_core::Bus;
use stargazer_core::envelope::{Attachment, Inbound, IncomingMessage, Map};
use stargazer_core::platform::redis::{Injection, RESERVED_EXTRA};
use stargazer_core::platform::{Adapter, Intake, NONCE};

use super::lab::{Lab, map, message};

/// The messages that the workers get.
async fn received(bus: &Bus) -> Vec<Inbound> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let inbox = bus.consume_inbound().open().await.unwrap();
    inbox
        .run_until_idle({
            let all = all.clone();
            move |delivery| {
                let all = all.clone();
                async move {
                    all.lock().unwrap().push(delivery.data()?);
                    Ok(())
                }
            }
        })
        .await
        .unwrap();
    inbox.close().await.unwrap();
    std::mem::take(&mut *all.lock().unwrap())
}

pub(super) async fn everything_reaches_the_workers(lab: Lab) {
    lab.instance("a").await;
    let mut injection = Injection::new("a", "Look", "u1").with_user_name("Ann").with_message_id("m1");
    injection.attachments = vec![Attachment::new(&b"bytes"[..], "text/plain", "a.txt")];
    injection.channel_name = "Demo".into();
    injection.reply_to_id = "m0".into();
    injection.extra = map([("locale", "no")]);
    injection.reactions = "👍×3".into();
    injection.response_nonce = "n1".into();
    injection.is_addressed = false;
    let injected = lab.platform.inject_message(injection).await.unwrap();
    let plain = lab.platform.inject_message(message("a", "Berlin?")).await.unwrap();
    let mut received = received(&lab.bus).await;
    received.sort_by_key(|message| message.is_addressed);
    let [first, second] = &received[..] else { panic!("{received:?}") };
    assert_eq!(injected.message_id, "m1");
    assert_eq!(
        (first.platform.as_str(), first.channel_id.as_str(), first.channel_key.as_str()),
        ("redis", "a", "redis:a")
    );
    assert_eq!((&first.trace_id, &first.message_id), (&injected.trace_id, &injected.message_id));
    let message = IncomingMessage::from_inbound_envelope(first).unwrap();
    assert_eq!((message.text.as_str(), message.user_id.as_str(), message.user_name.as_str()), ("Look", "u1", "Ann"));
    assert_eq!((message.channel_name.as_str(), message.reply_to_id.as_str()), ("Demo", "m0"));
    assert_eq!((message.reactions.as_str(), message.is_addressed), ("👍×3", false));
    assert_eq!(&message.attachments[0].data[..], b"bytes");
    assert_eq!((message.extra.text("locale"), message.extra.text(NONCE)), (Some("no"), Some("n1")));
    assert!(second.is_addressed && second.extra.get(NONCE).is_none());
    assert!(!plain.message_id.is_empty() && plain.message_id == second.message_id);
    assert_ne!(plain.trace_id, injected.trace_id);
}

pub(super) async fn an_open_instance_needs_a_name(lab: Lab) {
    lab.instance("a").await;
    for name in ["", "  "] {
        let error = lab.platform.inject_message(message("a", "hi").with_user_name(name)).await.unwrap_err();
        assert_eq!(error.code(), "invalid");
        assert_eq!(error.context(), [("field", "user_name".to_owned()), ("stored", "no".to_owned())]);
    }
    lab.platform.inject_message(message("a", "hi")).await.unwrap();
    assert_eq!(received(&lab.bus).await.len(), 1);
}

pub(super) async fn a_roster_decides_who_may_write(lab: Lab) {
    lab.instance("a").await;
    lab.platform.register_user("a", "u1", "Ann the Great", Map::new()).await.unwrap();
    lab.platform.inject_message(message("a", "hi").with_user_name("")).await.unwrap();
    lab.platform.inject_message(message("a", "hi").with_user_name("Somebody")).await.unwrap();
    let mut stranger = message("a", "hi");
    stranger.user_id = "u2".into();
    let error = lab.platform.inject_message(stranger.clone()).await.unwrap_err();
    assert_eq!(error.code(), "rejected");
    // A record that cannot be read lets nobody in.
    lab.put("redis_platform:users:a", "u2", b"{").await;
    assert_eq!(lab.platform.inject_message(stranger.clone()).await.unwrap_err().code(), "rejected");
    let names: Vec<String> = received(&lab.bus).await.into_iter().map(|message| message.username).collect();
    assert_eq!(names, ["Ann the Great", "Ann the Great"]);
    // Without its last user it is open again.
    for user in ["u1", "u2"] {
        lab.platform.delete_user("a", user).await.unwrap();
    }
    lab.platform.inject_message(stranger).await.unwrap();
}

pub(super) async fn a_roster_made_meanwhile_counts_at_once(lab: Lab) {
    lab.instance("a").await;
    let mut stranger = message("a", "hi").with_user_name("Stranger");
    stranger.user_id = "u2".into();
    let writing = async {
        let (mut before, mut after) = (0, 0);
        while after < 20 {
            match lab.platform.inject_message(stranger.clone()).await {
                Ok(_) => {
                    assert_eq!(after, 0, "taken after the roster was there");
                    before += 1;
                }
                Err(error) => {
                    assert_eq!(error.code(), "rejected");
                    after += 1;
                }
            }
            tokio::task::yield_now().await;
        }
        before
    };
    let registering = async {
        for n in 0..20 {
            // Some messages first, so that there is a before.
            if n == 10 {
                lab.platform.register_user("a", "u1", "Ann", Map::new()).await.unwrap();
            }
            lab.platform.has_users("a").await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let (before, ()) = tokio::join!(writing, registering);
    let received = received(&lab.bus).await;
    assert_eq!(received.len(), before);
    assert!(received.iter().all(|message| message.username == "Stranger"));
}

pub(super) async fn an_unknown_instance_is_not_found(lab: Lab) {
    let error = lab.platform.inject_message(message("unknown", "hi")).await.unwrap_err();
    assert_eq!(error.code(), "not_found");
    assert!(error.context().contains(&("instance_id", "unknown".into())), "{error}");
    assert!(received(&lab.bus).await.is_empty());
}

pub(super) async fn what_decides_about_a_message_is_not_the_callers(lab: Lab) {
    lab.instance("a").await;
    for name in RESERVED_EXTRA {
        let mut injection = message("a", "hi");
        injection.extra = map([(name, "mine")]);
        let error = lab.platform.inject_message(injection).await.unwrap_err();
        assert_eq!(error.code(), "invalid", "{name}");
        assert_eq!(error.context()[0].1, "extra");
    }
    let mut long = message("a", "hi");
    long.user_id = "u".repeat(1000);
    assert_eq!(lab.platform.inject_message(long).await.unwrap_err().context()[0].1, "user_id");
    assert!(received(&lab.bus).await.is_empty());
}

pub(super) async fn a_message_id_is_taken_once(lab: Lab) {
    lab.instance("a").await;
    lab.instance("b").await;
    let send = async |instance: &str| {
        lab.platform.inject_message(message(instance, "hi").with_message_id("m1")).await.unwrap()
    };
    let first = send("a").await;
    let again = send("a").await;
    let elsewhere = send("b").await;
    assert!(!first.receipt.duplicate && again.receipt.duplicate && !elsewhere.receipt.duplicate);
    assert_eq!((again.receipt.id, again.trace_id.as_str()), (first.receipt.id, ""));
    assert_eq!(received(&lab.bus).await.len(), 2);
}

pub(super) async fn after_the_end_nothing_is_taken(lab: Lab) {
    lab.instance("a").await;
    let platform = &lab.platform;
    assert!(!platform.is_running().await);
    platform.start(Intake::new(&lab.bus, "redis")).await.unwrap();
    assert!(platform.is_running().await);
    platform.inject_message(message("a", "hi")).await.unwrap();
    platform.drain().await;
    assert_eq!(platform.inject_message(message("a", "hi")).await.unwrap_err().code(), "closed");
    platform.stop().await.unwrap();
    platform.stop().await.unwrap();
    assert!(!platform.is_running().await);
    // The registry works on, and it can be started again.
    assert!(platform.instance_exists("a").await.unwrap());
    platform.start(Intake::new(&lab.bus, "redis")).await.unwrap();
    platform.inject_message(message("a", "hi")).await.unwrap();
    assert_eq!(received(&lab.bus).await.len(), 2);
}

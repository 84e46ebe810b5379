//! Replies and files.

use std::sync::Arc;
use std::time::Duration;

use stargazer_core::Delivery;
use stargazer_core::envelope::{Button, Inbound, Map, Outbound, Value, json};
use stargazer_core::platform::redis::{RedisPlatform, Replies, Reply};
use stargazer_core::platform::{Adapter, AdapterKinds, Gateway, ProxyAdapter, SendContext, TurnEnd};
use stargazer_core::store::{EntryId, Heard, LogOptions, Subscription};

use super::lab::{Lab, file, message};

const SECOND: Duration = Duration::from_secs(1);

/// A reply to the turn `t1`.
fn said(key: &str) -> SendContext {
    SendContext::new().with_trace_id("t1").with_message_key(key)
}

async fn listen(lab: &Lab, instance: &str) -> Subscription {
    lab.store().subscribe([format!("stargazer:redis_platform:response:{instance}")]).await.unwrap()
}

/// What is told next.
async fn heard(ear: &mut Subscription) -> Map {
    match tokio::time::timeout(5 * SECOND, ear.next()).await.expect("nothing is told").unwrap() {
        Heard::Notification { payload, .. } => {
            match json::decode(&payload, &stargazer_core::envelope::Limits::default()).unwrap() {
                Value::Map(map) => map,
                other => panic!("{other:?}"),
            }
        }
        other => panic!("{other:?}"),
    }
}

async fn of_instance(platform: &RedisPlatform, id: &str) -> Replies {
    platform.replies(id, EntryId::ZERO, 100, Duration::ZERO).await.unwrap()
}

fn kinds(replies: &Replies) -> Vec<&str> {
    replies.items.iter().map(Reply::kind).collect()
}

pub(super) async fn a_message_is_told_and_kept(lab: Lab) {
    lab.instance("a b").await;
    let mut ear = listen(&lab, "a b").await;
    let id = lab.platform.send("a b", "21 °C", &said("k1").with_reply_to("m1")).await.unwrap();
    let told = heard(&mut ear).await;
    assert_eq!(told.keys().collect::<Vec<_>>(), ["type", "message_id", "text", "timestamp", "reply_to"]);
    assert_eq!(
        (told.text("type"), told.text("message_id"), told.text("text")),
        (Some("message"), Some(&*id), Some("21 °C"))
    );
    assert!(told.text("timestamp").unwrap().ends_with("+00:00"));
    let buttons = [Button::new("Yes", "y")];
    lab.platform.send_with_buttons("a b", "Sure?", &buttons, &SendContext::new()).await.unwrap();
    assert_eq!(heard(&mut ear).await.text("type"), Some("message"));
    lab.platform.react("a b", "m1", "👍", &said("k2")).await.unwrap();
    lab.platform.send("a b", "end", &said("k3")).await.unwrap();
    // A reaction is a type of ours and is not told where the original's readers listen.
    assert_eq!(heard(&mut ear).await.text("text"), Some("end"));
    let kept = of_instance(&lab.platform, "a b").await;
    assert_eq!(kinds(&kept), ["message", "message", "reaction", "message"]);
    assert_eq!(kept.items[0].body, told);
    assert!(kept.items[1].body.get("buttons").is_some());
    let turn = lab.platform.turn_replies("a b", "t1", EntryId::ZERO, 100, Duration::ZERO).await.unwrap();
    assert_eq!(kinds(&turn), ["message", "reaction", "message"]);
    assert!(turn.items.iter().all(|reply| reply.trace_id == "t1"));
    let left = lab.store().time_to_live("redis_platform:turn:a%20b:t1").await.unwrap().unwrap();
    assert!(left <= 900 * SECOND && left > 850 * SECOND, "{left:?}");
    let left = lab.store().time_to_live("redis_platform:replies:a%20b").await.unwrap().unwrap();
    assert!(left <= 86_400 * SECOND && left > 86_000 * SECOND, "{left:?}");
}

pub(super) async fn a_file_is_kept_as_bytes_for_a_day(lab: Lab) {
    lab.instance("a").await;
    let mut ear = listen(&lab, "a").await;
    let data: Vec<u8> = (0..=255).collect();
    let context = said("k1").with_caption("look");
    let url = lab.platform.send_file("a", &file("räp ort/1.txt", &data), &context).await.unwrap();
    let told = heard(&mut ear).await;
    let id = told.text("file_id").unwrap().to_owned();
    assert_eq!(url, format!("/redis-platform/files/{id}/r%C3%A4p%20ort%2F1.txt"));
    let names: Vec<&str> = told.keys().collect();
    assert_eq!(names, ["type", "file_id", "filename", "mimetype", "size", "url", "timestamp", "text"]);
    assert_eq!((told.text("type"), told.text("url"), told.text("text")), (Some("file"), Some(&*url), Some("look")));
    assert_eq!(told.get("size").and_then(Value::as_u64), Some(256));
    let stored = lab.platform.get_file(&id).await.unwrap().unwrap();
    assert_eq!((&stored.data[..], stored.filename.as_str()), (&data[..], "räp ort/1.txt"));
    assert_eq!((stored.mimetype.as_str(), stored.channel_id.as_str()), ("text/plain", "a"));
    let key = format!("redis_platform:file:{id}");
    assert_eq!(lab.store().hash_get(&key, "bytes").await.unwrap().unwrap(), data);
    assert_eq!(lab.field(&key, "size").await.as_deref(), Some("256"));
    let left = lab.store().time_to_live(&key).await.unwrap().unwrap();
    assert!(left <= 86_400 * SECOND && left > 86_000 * SECOND, "{left:?}");
    assert!(lab.platform.get_file("unknown").await.unwrap().is_none());
    assert!(lab.platform.get_file("").await.unwrap().is_none());
    lab.store().hash_delete(&key, ["bytes"]).await.unwrap();
    assert_eq!(lab.platform.get_file(&id).await.unwrap_err().code(), "malformed");
}

pub(super) async fn a_file_has_bounds(lab: Lab) {
    lab.instance("a").await;
    let small = lab.with(|config| config.max_file_bytes = 10);
    small.send_file("a", &file("a", &[0; 10]), &SendContext::new()).await.unwrap();
    let error = small.send_file("a", &file("a", &[0; 11]), &SendContext::new()).await.unwrap_err();
    assert_eq!(error.code(), "too_large");
    assert!(error.context().contains(&("limit", "max_file_bytes".into())), "{error}");
    for name in [String::new(), "n".repeat(2000)] {
        let error = small.send_file("a", &file(&name, b""), &SendContext::new()).await.unwrap_err();
        assert_eq!(error.context()[0].1, "filename");
    }
    assert_eq!(kinds(&of_instance(&small, "a").await), ["file"]);
    // As large as the default allows.
    let large = file("a", &vec![7; 16 * 1024 * 1024]);
    lab.platform.send_file("a", &large, &SendContext::new()).await.unwrap();
}

pub(super) async fn files_of_the_original_are_read_and_on_request_written(lab: Lab) {
    lab.instance("a").await;
    let old = "redis_platform:file:old";
    lab.store()
        .hash_set(old, [("data", "aGVsbG8="), ("filename", "h.txt"), ("mimetype", "text/plain"), ("size", "5")], None)
        .await
        .unwrap();
    let read = lab.platform.get_file("old").await.unwrap().unwrap();
    assert_eq!((&read.data[..], read.filename.as_str(), read.timestamp.as_str()), (&b"hello"[..], "h.txt", ""));
    lab.put(old, "data", b"no base64!").await;
    assert_eq!(lab.platform.get_file("old").await.unwrap_err().code(), "malformed");
    let legacy = lab.with(|config| {
        config.legacy_writes = true;
        config.names.file_field = "payload".into();
    });
    let url = legacy.send_file("a", &file("b.txt", b"hello"), &SendContext::new()).await.unwrap();
    let id = url.split('/').nth(3).unwrap();
    let key = format!("redis_platform:file:{id}");
    assert_eq!(lab.field(&key, "payload").await.as_deref(), Some("aGVsbG8="));
    assert!(!lab.store().hash_exists(&key, "bytes").await.unwrap());
    assert_eq!(&legacy.get_file(id).await.unwrap().unwrap().data[..], b"hello");
}

pub(super) async fn what_is_said_again_is_said_once(lab: Lab) {
    lab.instance("a").await;
    let first = lab.platform.send("a", "once", &said("k1")).await.unwrap();
    let again = lab.platform.send("a", "once", &said("k1").with_may_be_repeat(true)).await.unwrap();
    assert_eq!(first, again);
    let url = lab.platform.send_file("a", &file("a.txt", b"x"), &said("k2")).await.unwrap();
    assert_eq!(lab.platform.send_file("a", &file("a.txt", b"x"), &said("k2")).await.unwrap(), url);
    // Without a key nobody can tell.
    for _ in 0..2 {
        lab.platform.send("a", "twice", &SendContext::new()).await.unwrap();
    }
    let long = said(&"k".repeat(10_000));
    assert_eq!(lab.platform.send("a", "x", &long).await.unwrap(), lab.platform.send("a", "x", &long).await.unwrap());
    assert_eq!(kinds(&of_instance(&lab.platform, "a").await), ["message", "file", "message", "message", "message"]);
}

pub(super) async fn replies_are_read_on_by_id(lab: Lab) {
    lab.instance("a").await;
    let empty = of_instance(&lab.platform, "a").await;
    assert_eq!((empty.items.len(), empty.next), (0, EntryId::ZERO));
    assert_eq!(lab.platform.last_reply("a").await.unwrap(), EntryId::ZERO);
    for n in 0..5 {
        lab.platform.send("a", &n.to_string(), &SendContext::new()).await.unwrap();
    }
    let (mut after, mut texts) = (EntryId::ZERO, Vec::new());
    loop {
        // Each page from another process, as it were.
        let page = lab.with(|_| ()).replies("a", after, 2, Duration::ZERO).await.unwrap();
        if page.items.is_empty() {
            break;
        }
        texts.extend(page.items.iter().map(|reply| reply.body.text("text").unwrap().to_owned()));
        after = page.next;
    }
    assert_eq!(texts, ["0", "1", "2", "3", "4"]);
    assert_eq!(after, lab.platform.last_reply("a").await.unwrap());
    let waiting = lab.platform.replies("a", after, 10, 20 * SECOND);
    let saying = async {
        lab.platform.send("a", "late", &SendContext::new()).await.unwrap();
    };
    let (late, ()) = tokio::join!(waiting, saying);
    let late = late.unwrap();
    assert_eq!(late.items[0].body.text("text"), Some("late"));
    // What is no reply is passed over.
    lab.store().log_append("redis_platform:replies:a", [("data", "[")], LogOptions::default()).await.unwrap();
    let passed = lab.platform.replies("a", late.next, 10, Duration::ZERO).await.unwrap();
    assert!(passed.items.is_empty() && passed.next > late.next);
    let none = lab.platform.replies("a", passed.next, 10, Duration::from_millis(20)).await.unwrap();
    assert_eq!((none.items.len(), none.next), (0, passed.next));
}

pub(super) async fn what_was_cut_off_is_told(lab: Lab) {
    lab.instance("a").await;
    let platform = lab.with(|config| config.replies_max_len = 1);
    // A trace id of another program may be of any length.
    let context = SendContext::new().with_trace_id("t".repeat(10_000));
    platform.send("a", "first", &context).await.unwrap();
    let first = of_instance(&platform, "a").await;
    let read = async |after| platform.replies("a", after, 10, Duration::ZERO).await.unwrap();
    assert!(!first.gap && !read(first.next).await.gap);
    // The server cuts whole nodes of a stream off.
    for n in 0..300 {
        platform.send("a", &n.to_string(), &context).await.unwrap();
    }
    let rest = read(first.next).await;
    assert!(rest.gap && !rest.items.is_empty() && !read(rest.next).await.gap);
    let turn = platform.turn_replies("a", &context.trace_id, EntryId::ZERO, 1000, Duration::ZERO).await.unwrap();
    assert_eq!(turn.items.len(), 301);
    assert!(platform.delete_instance("a").await.unwrap().turns == 1);
}

pub(super) async fn the_end_of_a_turn_is_the_last(lab: Lab) {
    lab.instance("a").await;
    let mut ear = listen(&lab, "a").await;
    lab.platform.send("a", "21 °C", &said("k1")).await.unwrap();
    let end = TurnEnd::completed("n1").with_trace_id("t1");
    lab.platform.turn_complete("a", &end).await.unwrap();
    lab.platform.turn_complete("a", &end).await.unwrap();
    let failed = TurnEnd::failed("n2", "the model is gone").with_trace_id("t2");
    lab.platform.turn_complete("a", &failed).await.unwrap();
    assert_eq!(heard(&mut ear).await.text("type"), Some("message"));
    let told = heard(&mut ear).await;
    assert_eq!(told.keys().collect::<Vec<_>>(), ["type", "nonce", "status", "timestamp"]);
    assert_eq!((told.text("type"), told.text("nonce")), (Some("turn_complete"), Some("n1")));
    let told = heard(&mut ear).await;
    assert_eq!((told.text("status"), told.text("error")), (Some("failed"), Some("the model is gone")));
    let turn = lab.platform.turn_replies("a", "t1", EntryId::ZERO, 100, Duration::ZERO).await.unwrap();
    assert_eq!(kinds(&turn), ["message", "turn_complete"]);
}

pub(super) async fn nothing_is_said_to_an_unknown_instance(lab: Lab) {
    let (platform, context) = (&lab.platform, said("k1"));
    assert_eq!(platform.send("a", "x", &context).await.unwrap_err().code(), "not_found");
    assert_eq!(platform.send_file("a", &file("a", b"x"), &context).await.unwrap_err().code(), "not_found");
    assert_eq!(platform.react("a", "m", "👍", &context).await.unwrap_err().code(), "not_found");
    assert_eq!(platform.turn_complete("a", &TurnEnd::completed("n")).await.unwrap_err().code(), "not_found");
    assert_eq!(lab.keys("a").await, Vec::<String>::new());
    assert!(!platform.is_channel_valid("a").await.unwrap());
    lab.instance("a").await;
    assert!(platform.is_channel_valid("a").await.unwrap());
    platform.send("a", "x", &context).await.unwrap();
}

pub(super) async fn instances_of_one_trace_id_hear_nothing_of_each_other(lab: Lab) {
    lab.instance("a").await;
    lab.instance("b").await;
    lab.platform.send("a", "for a", &said("k1")).await.unwrap();
    lab.platform.send("b", "for b", &said("k1")).await.unwrap();
    for (id, text) in [("a", "for a"), ("b", "for b")] {
        let turn = lab.platform.turn_replies(id, "t1", EntryId::ZERO, 100, Duration::ZERO).await.unwrap();
        assert_eq!(turn.items.len(), 1);
        assert_eq!(turn.items[0].body.text("text"), Some(text));
    }
}

pub(super) async fn a_turn_goes_there_and_back(lab: Lab) {
    lab.instance("a").await;
    let adapter: Arc<dyn Adapter> = Arc::new(lab.with(|_| ()));
    let gateway = Gateway::new(&lab.bus, [adapter]);
    gateway.start().await.unwrap();
    let sent = lab.platform.inject_message(message("a", "Berlin?").with_response_nonce("n1")).await.unwrap();
    let inbox = lab.bus.consume_inbound().open().await.unwrap();
    let answer = async |delivery: Delivery<Inbound>| {
        let message = delivery.data()?;
        let proxy = ProxyAdapter::for_message(delivery.bus(), &message);
        proxy.perform(Outbound::message("", "21 °C").with_reply_to(&message.message_id)).await?;
        proxy.perform(Outbound::file("", "map.txt", "text/plain", "a map")).await?;
        proxy.end(None).await?;
        Ok(())
    };
    inbox.run_until_idle(answer).await.unwrap();
    let (mut replies, mut after) = (Vec::new(), EntryId::ZERO);
    while replies.last().is_none_or(|reply: &Reply| reply.kind() != "turn_complete") {
        let page = lab.platform.turn_replies("a", &sent.trace_id, after, 10, 20 * SECOND).await.unwrap();
        after = page.next;
        replies.extend(page.items);
    }
    assert_eq!(replies.iter().map(Reply::kind).collect::<Vec<_>>(), ["message", "file", "turn_complete"]);
    assert_eq!(replies[0].body.text("reply_to"), Some(&*sent.message_id));
    assert_eq!(replies[2].body.text("nonce"), Some("n1"));
    let file = lab.platform.get_file(replies[1].body.text("file_id").unwrap()).await.unwrap().unwrap();
    assert_eq!(&file.data[..], b"a map");
    inbox.close().await.unwrap();
    gateway.close().await.unwrap();
}

pub(super) async fn the_platform_by_name(lab: Lab) {
    let kinds = AdapterKinds::standard().unwrap();
    let settings = Map::from([("bot_name", "Nova")]);
    let adapter = kinds.create("redis", &lab.bus, &settings).unwrap();
    assert_eq!(adapter.bot_identity().await.unwrap().display_name.as_deref(), Some("Nova"));
    let error = kinds.create("redis", &lab.bus, &Map::from([("colour", "red")])).unwrap_err();
    assert_eq!((error.code(), error.context()[0].1.as_str()), ("invalid", "colour"));
    let error = kinds.create("discord", &lab.bus, &Map::new()).unwrap_err();
    assert!(error.message().contains("redis"), "{error}");
}

pub(super) async fn the_platform_is_what_the_original_says(lab: Lab) {
    lab.instance("a").await;
    let platform = &lab.platform;
    assert_eq!(platform.name(), "redis");
    let bot = platform.bot_identity().await.unwrap();
    assert_eq!((bot.platform.as_str(), bot.display_name.as_deref()), ("redis", Some("Star")));
    assert!(platform.should_skip_channel_heartbeat("a").await.unwrap());
    assert!(platform.should_skip_channel_heartbeat("unknown").await.unwrap());
    platform.send("a", "x", &SendContext::new()).await.unwrap();
    assert!(platform.fetch_history("a", 100).await.unwrap().is_empty());
    platform.typing("a").await.unwrap();
    assert_eq!(platform.call("dance", &Map::new()).await.unwrap_err().code(), "rejected");
}

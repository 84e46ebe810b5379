use super::*;

async fn chat() -> (WebChat, stargazer_core::Bus) {
    let bus = stargazer_core::Bus::connect("memory://").await.unwrap();
    let chat = WebChat::new(vec!["demo".into()]);
    chat.start(Intake::new(&bus, PLATFORM)).await.unwrap();
    (chat, bus)
}

fn post(text: &str) -> Post {
    Post { text: text.into(), user: "ann".into(), ..Post::default() }
}

async fn end(chat: &WebChat, turn: &Turn, error: Option<&str>) {
    let end = error.map_or_else(|| TurnEnd::completed(&turn.id), |error| TurnEnd::failed(&turn.id, error));
    chat.turn_complete("demo:ann", &end).await.unwrap();
}

async fn say(chat: &WebChat, turn: &Turn, n: u64) {
    let context = SendContext::new()
        .with_trace_id(&turn.id)
        .with_message_key(Outbound::key_for(&turn.id, "message", n))
        .with_reply_to("m1");
    chat.send("demo:ann", &format!("reply {n}"), &context).await.unwrap();
}

#[tokio::test]
async fn a_turn_collects_its_replies_once_and_ends() {
    let (chat, _bus) = chat().await;
    let turn = chat.post("demo", post("hello")).await.unwrap();
    for n in [0, 1, 0, 1] {
        say(&chat, &turn, n).await;
    }
    assert_eq!(turn.now().status, Status::Running);
    end(&chat, &turn, None).await;
    turn.ended().await;
    let state = chat.turn(&turn.id).unwrap().now();
    let texts: Vec<_> = state.replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!((state.status, texts), (Status::Completed, vec!["reply 0", "reply 1"]));
}

#[tokio::test]
async fn the_first_end_counts() {
    let (chat, _bus) = chat().await;
    let turn = chat.post("demo", post("hello")).await.unwrap();
    end(&chat, &turn, Some("the model is gone")).await;
    end(&chat, &turn, None).await;
    assert_eq!(turn.now().status, Status::Failed("the model is gone".into()));
}

#[tokio::test]
async fn what_nobody_asked_for_is_done_all_the_same() {
    let (chat, _bus) = chat().await;
    chat.send("demo:x", "surprise", &SendContext::new().with_trace_id("unknown")).await.unwrap();
    chat.turn_complete("demo:x", &TurnEnd::completed("unknown")).await.unwrap();
}

#[tokio::test]
async fn everything_that_can_be_sent_is_a_reply() {
    let (chat, _bus) = chat().await;
    let turn = chat.post("demo", post("hello")).await.unwrap();
    let context = SendContext::new().with_trace_id(&turn.id).with_reply_to("m1").with_caption("look");
    let file = File { filename: "a.txt".into(), mimetype: "text/plain".into(), data: "abc".into() };
    chat.send_file("demo:ann", &file, &context).await.unwrap();
    chat.send_with_buttons("demo:ann", "well?", &[Button::new("yes", "y")], &context).await.unwrap();
    chat.react("demo:ann", "m1", "👍", &context).await.unwrap();
    let kinds: Vec<_> = turn.now().replies.iter().map(|reply| reply.action.type_name()).collect();
    assert_eq!((kinds, turn.now().replies[0].text.as_str()), (vec!["file", "buttons", "reaction"], "look"));
}

#[tokio::test]
async fn channels_of_unknown_instances_are_not_valid() {
    let (chat, _bus) = chat().await;
    assert!(chat.is_channel_valid("demo:ann").await.unwrap());
    for unknown in ["other:ann", "demo", ""] {
        assert!(!chat.is_channel_valid(unknown).await.unwrap(), "{unknown}");
    }
}

#[tokio::test]
async fn an_unknown_instance_opens_no_turn() {
    let (chat, _bus) = chat().await;
    assert_eq!(chat.post("other", post("x")).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_message_that_was_not_published_leaves_no_turn() {
    let (chat, bus) = chat().await;
    bus.close().await.unwrap();
    assert_eq!(chat.post("demo", post("x")).await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(chat.turns.get("").is_none());
}

#[tokio::test]
async fn draining_takes_nothing_and_waits_for_those_who_wait() {
    let (chat, _bus) = chat().await;
    let chat = Arc::new(chat);
    let turn = chat.post("demo", post("slow")).await.unwrap();
    let waiting = tokio::spawn({
        let turn = turn.clone();
        async move { turn.ended().await }
    });
    while !chat.turns.watched() {
        tokio::task::yield_now().await;
    }
    let draining = tokio::spawn({
        let chat = chat.clone();
        async move { chat.drain().await }
    });
    while chat.intake().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(chat.post("demo", post("late")).await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(!draining.is_finished());
    end(&chat, &turn, None).await;
    waiting.await.unwrap();
    draining.await.unwrap();
}

#[test]
fn a_channel_is_the_users_own_unless_named() {
    let envelope = |post| {
        let (turn, message) = message("demo", post);
        (turn, message.to_inbound_envelope().unwrap())
    };
    let (_, own) = envelope(post("x"));
    assert_eq!((own.channel_id.as_str(), own.is_dm, own.platform.as_str()), ("demo:ann", true, "webchat"));
    let (turn, named) = envelope(Post { channel: Some("room".into()), ..post("x") });
    assert_eq!((named.channel_id.as_str(), named.is_dm), ("demo:room", false));
    assert_eq!((named.extra.text(NONCE), named.trace_id.as_str()), (Some(turn.as_str()), turn.as_str()));
}

use stargazer_core::envelope::{Map, Rpc};

use super::*;

async fn chat() -> (WebChat, stargazer_core::Bus) {
    let bus = stargazer_core::Bus::connect("memory://").await.unwrap();
    let chat = WebChat::new(vec!["demo".into()], Duration::from_secs(5));
    chat.start(Inbox::new(bus.clone())).await.unwrap();
    (chat, bus)
}

fn post(text: &str) -> Post {
    Post { text: text.into(), user: "ann".into(), ..Post::default() }
}

fn end(turn: &Turn, error: Option<&str>) -> Outbound {
    let mut params = Map::from([("nonce", turn.id.as_str())]);
    params.insert("status", if error.is_some() { "failed" } else { "completed" });
    if let Some(error) = error {
        params.insert("error", error);
    }
    Outbound::rpc(TURN_COMPLETE, params, "", "")
}

fn said(turn: &Turn, n: u64) -> Outbound {
    let key = Outbound::key_for(&turn.id, "message", n);
    Outbound::message("demo:ann", format!("reply {n}")).with_trace_id(&turn.id).with_message_key(key)
}

#[tokio::test]
async fn a_turn_collects_its_replies_once_and_ends() {
    let (chat, _bus) = chat().await;
    let turn = chat.post("demo", post("hello")).await.unwrap();
    for n in [0, 1, 0, 1] {
        chat.perform(&said(&turn, n)).await.unwrap();
    }
    assert_eq!(turn.now().status, Status::Running);
    chat.perform(&end(&turn, None)).await.unwrap();
    turn.ended().await;
    let state = chat.turn(&turn.id).unwrap().now();
    let texts: Vec<_> = state.replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!((state.status, texts), (Status::Completed, vec!["reply 0", "reply 1"]));
}

#[tokio::test]
async fn the_first_end_counts() {
    let (chat, _bus) = chat().await;
    let turn = chat.post("demo", post("hello")).await.unwrap();
    chat.perform(&end(&turn, Some("the model is gone"))).await.unwrap();
    chat.perform(&end(&turn, None)).await.unwrap();
    assert_eq!(turn.now().status, Status::Failed("the model is gone".into()));
}

#[tokio::test]
async fn what_nobody_asked_for_and_what_is_not_a_reply_is_done() {
    let (chat, _bus) = chat().await;
    let actions = [
        Outbound::message("demo:x", "surprise").with_trace_id("unknown"),
        Outbound::typing("demo:x"),
        Outbound::presence("busy", None),
        Outbound::rpc(TURN_COMPLETE, Map::from([("nonce", "unknown")]), "", ""),
    ];
    for action in actions {
        chat.perform(&action).await.unwrap();
    }
}

#[tokio::test]
async fn an_unknown_call_is_refused_for_good() {
    let (chat, _bus) = chat().await;
    let mut action = Outbound::typing("");
    action.action = Rpc { method: "fetch_history".into(), ..Rpc::default() }.into();
    assert_eq!(chat.perform(&action).await.unwrap_err().kind(), ErrorKind::Rejected);
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
    while chat.inbox().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(chat.post("demo", post("late")).await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(!draining.is_finished());
    chat.perform(&end(&turn, None)).await.unwrap();
    waiting.await.unwrap();
    draining.await.unwrap();
}

#[test]
fn a_channel_is_the_users_own_unless_named() {
    let own = message("demo", post("x")).unwrap();
    assert_eq!((own.channel_id.as_str(), own.is_dm, own.platform.as_str()), ("demo:ann", true, "webchat"));
    let named = message("demo", Post { channel: Some("room".into()), ..post("x") }).unwrap();
    assert_eq!((named.channel_id.as_str(), named.is_dm), ("demo:room", false));
    assert_eq!(named.extra.text(NONCE), Some(named.trace_id.as_str()));
}

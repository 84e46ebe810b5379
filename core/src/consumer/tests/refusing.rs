//! Bodies that their reader cannot make sense of.

use super::*;
use crate::dead_letter::Query;
use crate::error::Error;

#[tokio::test(start_paused = true)]
async fn a_body_that_its_reader_refuses_is_a_dead_letter_like_one_that_cannot_be_decoded() {
    let bus = bus().await;
    publish(&bus, 1, "no number").await;
    publish(&bus, 1, "5").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    let refused = inbox.next().await.unwrap().unwrap();
    refused.refuse(&Error::malformed("the text is no number")).unwrap();
    // The first outcome counts.
    refused.settle(Outcome::Ack).unwrap();
    let next = inbox.next().await.unwrap().unwrap();
    assert_eq!(next.data().unwrap().content, "5");
    next.ack().await.unwrap();
    inbox.close().await.unwrap();
    let [letter] = &*bus.dead_letters().list(&Query::default()).await.unwrap().letters else { panic!("one letter") };
    let life = &letter.letter.life;
    assert_eq!((letter.reason(), &*life.error, life.attempt), ("malformed", "malformed: the text is no number", 1));
    bus.close().await.unwrap();
}

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stargazer_core::transport::EntryId;

use super::*;

/// Performs everything but what its text tells it not to.
#[derive(Debug, Default)]
struct Fake {
    performed: Mutex<Vec<String>>,
    failures: AtomicU32,
}

#[async_trait]
impl Adapter for Fake {
    fn platform(&self) -> &'static str {
        "fake"
    }

    async fn start(&self, _: Inbox) -> Result<()> {
        Ok(())
    }

    async fn stop(&self) -> Result<()> {
        Ok(())
    }

    async fn perform(&self, action: &Outbound) -> Result<()> {
        match action.text.as_str() {
            "refuse" => return Err(Error::new(ErrorKind::Rejected, "never")),
            "later" if self.failures.fetch_add(1, Ordering::Relaxed) == 0 => return Err(Error::unavailable("not now")),
            _ => {}
        }
        self.performed.lock().unwrap().push(action.text.clone());
        Ok(())
    }
}

async fn performed(actions: impl IntoIterator<Item = Outbound>) -> (Vec<String>, usize) {
    let bus = Bus::connect("memory://").await.unwrap();
    let fake = Arc::new(Fake::default());
    let mut settings = ConsumerConfig::default();
    settings.retry_base = Duration::from_millis(1);
    let mut gateway = Gateway::new(settings, vec![fake.clone()]);
    gateway.on_start(&bus).await.unwrap();
    for action in actions {
        bus.publish_outbound("fake", &action).await.unwrap();
    }
    gateway.running[0].consumer.idle().await.unwrap();
    gateway.on_stop().await.unwrap();
    let dead = bus.entries(&bus.topology().dead_letter_stream, EntryId::ZERO, 10).await.unwrap();
    let performed = fake.performed.lock().unwrap().clone();
    (performed, dead.len())
}

#[tokio::test]
async fn a_doubled_action_is_performed_once() {
    let double = Outbound::message("c", "once").with_message_key("k1");
    let other = Outbound::message("c", "twice");
    let (performed, dead) = performed([double.clone(), double, other.clone(), other]).await;
    assert_eq!((performed, dead), (vec!["once".into(), "twice".into(), "twice".into()], 0));
}

#[tokio::test]
async fn what_fails_is_tried_again_in_order() {
    let (performed, dead) = performed([Outbound::message("c", "later"), Outbound::message("c", "then")]).await;
    assert_eq!((performed, dead), (vec!["later".into(), "then".into()], 0));
}

#[tokio::test]
async fn what_is_refused_goes_to_the_dead_letters() {
    let (performed, dead) = performed([Outbound::message("c", "refuse"), Outbound::message("c", "then")]).await;
    assert_eq!((performed, dead), (vec!["then".into()], 1));
}

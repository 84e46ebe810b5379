//! What is sent: 1000 different inbound envelopes of about 620 bytes, and how they spread over channels.

use bytes::Bytes;
use stargazer_core::envelope::{Envelope, Inbound};

use crate::Result;

/// Different envelopes, and channels.
pub(crate) const DIFFERENT: usize = 1000;

/// How messages spread over the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Every channel is as likely as any other.
    Uniform,
    /// Zipf with exponent 1.1: the busiest channel has about a sixth of all messages.
    Skewed,
    /// So many channels in turn.
    Even(usize),
}

impl Spread {
    /// Channels there are.
    pub(crate) fn channels(self) -> usize {
        if let Self::Even(channels) = self { channels } else { DIFFERENT }
    }
}

/// The envelopes and, for each spread, the channel of each message.
pub(crate) struct Load {
    pub(crate) envelopes: Vec<Inbound>,
    uniform: Vec<usize>,
    skewed: Vec<usize>,
}

impl Load {
    pub(crate) fn new(messages: usize) -> Self {
        let mut random = Random(0x5eed);
        let envelopes = (0..DIFFERENT).map(|n| envelope(n, &mut random)).collect();
        let uniform = (0..messages).map(|_| random.below(DIFFERENT)).collect();
        let skewed = zipf(messages, &mut random);
        Self { envelopes, uniform, skewed }
    }

    /// An encoded envelope for consumers: `message_id` counts them, `channel_id` is `c` and the channel's number.
    pub(crate) fn body(&self, n: usize, spread: Spread) -> Result<Bytes> {
        let channel = match spread {
            Spread::Uniform => self.uniform[n % self.uniform.len()],
            Spread::Skewed => self.skewed[n % self.skewed.len()],
            Spread::Even(channels) => n % channels,
        };
        let mut envelope = self.envelopes[n % DIFFERENT].clone();
        envelope.message_id = format!("{n:08}");
        envelope.channel_id = format!("c{channel}");
        envelope.channel_key = format!("bench:c{channel}");
        Ok(envelope.encode()?)
    }

    /// The same envelopes encoded, as a raw client that encodes nothing sends them.
    pub(crate) fn encoded(&self) -> Result<Vec<Bytes>> {
        self.envelopes.iter().map(|envelope| Ok(envelope.encode()?)).collect()
    }

    /// Bytes of an envelope on average.
    pub(crate) fn mean_size(&self) -> Result<usize> {
        Ok(self.encoded()?.iter().map(Bytes::len).sum::<usize>() / DIFFERENT)
    }
}

fn envelope(n: usize, random: &mut Random) -> Inbound {
    const WORDS: &[&str] = &[
        "what",
        "about",
        "the",
        "weather",
        "in",
        "Zürich",
        "tomorrow",
        "please",
        "remind",
        "me",
        "of",
        "dinner",
        "at",
        "eight",
        "und",
        "danke",
        "東京",
        "今日は",
        "👍🏽",
        "really",
        "maybe",
        "later",
        "bring",
        "an",
        "umbrella",
    ];
    let user = format!("{:018}", 100_000_000_000_000 + random.below(1_000_000));
    let mut text = String::new();
    while text.len() < 120 + n % 60 {
        text.push_str(WORDS[random.below(WORDS.len())]);
        text.push(' ');
    }
    let mut envelope = Inbound::new_at("bench", format!("c{n}"), &user, text, 1_763_700_000.25)
        .with_message_id(format!("{n:08}"))
        .with_username(format!("user{}", random.below(500)))
        .with_room_name("general")
        .with_reactions("👍×3");
    envelope.display_name = Some("Ada L.".to_owned());
    envelope.guild_id = Some("112233445566778899".to_owned());
    envelope.member_roles = vec!["member".to_owned(), "helper".to_owned()];
    envelope.user_aliases = vec![format!("bench:{user}")];
    envelope.unified_user_id = Some(format!("u{}", random.below(500)));
    envelope
}

#[allow(clippy::cast_precision_loss, reason = "a thousand channels")]
fn zipf(messages: usize, random: &mut Random) -> Vec<usize> {
    let mut sum = 0.0;
    let steps: Vec<f64> = (1..=DIFFERENT)
        .map(|rank| {
            sum += (rank as f64).powf(-1.1);
            sum
        })
        .collect();
    let pick = |at: f64| steps.partition_point(|step| *step < at).min(DIFFERENT - 1);
    (0..messages).map(|_| pick(random.share() * sum)).collect()
}

/// `SplitMix64`: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap_or(0)
    }

    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

//! How fast the model speaks.

use std::time::Duration;

use crate::{Part, Step};

/// The pause before each piece of a text, and how many pieces there are at most: that bounds the time of a long answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Pause before each piece. 4 ms.
    pub piece: Duration,
    /// Most pieces of one answer. 24.
    pub pieces: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { piece: Duration::from_millis(4), pieces: 24 }
    }
}

impl Pace {
    /// Says everything at once.
    pub fn instant() -> Self {
        Self { piece: Duration::ZERO, pieces: 1 }
    }

    /// Cuts a text behind its blanks, into words as long as there are few of them. The pieces together are the text.
    pub(crate) fn speak(&self, text: &str) -> Vec<Step> {
        let least = text.len().div_ceil(self.pieces.max(1));
        let mut steps = Vec::new();
        let mut piece = String::new();
        let mut say = |piece: &mut String| {
            steps.push(Step { after: self.piece, part: Part::Text(std::mem::take(piece)) });
        };
        for word in text.split_inclusive(' ') {
            piece.push_str(word);
            if piece.len() >= least {
                say(&mut piece);
            }
        }
        if !piece.is_empty() {
            say(&mut piece);
        }
        steps
    }
}

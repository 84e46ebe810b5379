//! Finding where a request or a reply ends, without understanding it.
//!
//! RESP2 and RESP3. Every frame is one element, or an aggregate whose elements are counted; a push is told apart, since
//! it answers no request.

/// The words at the beginning of a request that are kept: `EVALSHA` and the hash.
const WORDS: usize = 2;
/// Longest word that is kept.
const WORD: usize = 64;

/// A complete frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its bytes end here, counted from the beginning of what was scanned.
    pub(super) end: usize,
    /// The first words of a request.
    pub(super) words: Vec<Vec<u8>>,
    /// A message that the server sent by itself.
    pub(super) push: bool,
}

/// The first frame in `bytes`; `None` while it is not complete.
pub(super) fn first_frame(bytes: &[u8]) -> Option<Frame> {
    let mut frame = Frame { end: 0, words: Vec::new(), push: bytes.first() == Some(&b'>') };
    let mut missing: usize = 1;
    while missing > 0 {
        missing -= 1;
        let rest = bytes.get(frame.end..)?;
        let line_end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let (kind, line) = rest[..line_end].split_first()?;
        frame.end += line_end + 2;
        match kind {
            b'$' | b'=' | b'!' => {
                let Some(length) = number(line) else { continue };
                let body = bytes.get(frame.end..frame.end + length + 2)?;
                if frame.words.len() < WORDS {
                    frame.words.push(body[..length.min(WORD)].to_vec());
                }
                frame.end += length + 2;
            }
            b'*' | b'~' | b'>' => missing += number(line).unwrap_or(0),
            b'%' => missing += 2 * number(line).unwrap_or(0),
            // Attributes stand before what they are about.
            b'|' => missing += 2 * number(line).unwrap_or(0) + 1,
            _ => {}
        }
    }
    Some(frame)
}

/// A length; `None` for -1, which is nothing.
fn number(line: &[u8]) -> Option<usize> {
    std::str::from_utf8(line).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_found_with_its_first_words() {
        let bytes = b"*4\r\n$7\r\nEVALSHA\r\n$3\r\nabc\r\n$1\r\n0\r\n$-1\r\n*1\r\n$4\r\nPING\r\n";
        let frame = first_frame(bytes).unwrap();
        assert_eq!((frame.words, frame.push), (vec![b"EVALSHA".to_vec(), b"abc".to_vec()], false));
        assert_eq!(first_frame(&bytes[frame.end..]).unwrap().words, [b"PING".to_vec()]);
    }

    #[test]
    fn an_incomplete_frame_is_none_at_every_length() {
        for whole in [
            &b"*3\r\n$2\r\nab\r\n*2\r\n:1\r\n+x\r\n_\r\n"[..],
            b"%1\r\n+a\r\n*0\r\n",
            b"|1\r\n+a\r\n+b\r\n$1\r\nx\r\n",
            b">2\r\n+message\r\n$3\r\n\r\n!\r\n",
            b"-ERR no\r\n",
        ] {
            for n in 0..whole.len() {
                assert_eq!(first_frame(&whole[..n]), None, "{n} of {:?}", String::from_utf8_lossy(whole));
            }
            let frame = first_frame(whole).unwrap();
            assert_eq!((frame.end, frame.push), (whole.len(), whole[0] == b'>'));
        }
    }
}

//! Just enough of Redis' protocol to ask a server something, independent of the client that the core uses.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A bulk or status string.
    Text(Vec<u8>),
    /// An integer.
    Int(i64),
    /// Nothing there.
    Nil,
    /// Several answers.
    List(Vec<Reply>),
    /// The server refused; its words.
    Error(String),
}

impl Reply {
    /// The text of a string answer, `""` for everything else.
    pub fn text(&self) -> String {
        match self {
            Self::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        }
    }
}

/// Sends one command on a connection of its own and returns the answer.
///
/// # Errors
/// Nobody listens there, the password is refused, or no complete answer came within five seconds.
pub fn command(port: u16, password: Option<&str>, words: &[&str]) -> io::Result<Reply> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut stream = BufReader::new(stream);
    if let Some(password) = password
        && let Reply::Error(why) = ask(&mut stream, &["AUTH", password])?
    {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    ask(&mut stream, words)
}

fn ask(stream: &mut BufReader<TcpStream>, words: &[&str]) -> io::Result<Reply> {
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        request.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    stream.get_mut().write_all(&request)?;
    read(stream)
}

fn read(from: &mut impl BufRead) -> io::Result<Reply> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    let Some((&kind, rest)) = line.strip_suffix(b"\r\n").and_then(|line| line.split_first()) else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let number = || -> io::Result<i64> {
        let text = std::str::from_utf8(rest).map_err(io::Error::other)?;
        text.parse().map_err(io::Error::other)
    };
    match kind {
        b'+' => Ok(Reply::Text(rest.to_vec())),
        b'-' => Ok(Reply::Error(String::from_utf8_lossy(rest).into_owned())),
        b':' => Ok(Reply::Int(number()?)),
        b'$' => {
            let Ok(length) = usize::try_from(number()?) else { return Ok(Reply::Nil) };
            let mut body = vec![0; length + 2];
            from.read_exact(&mut body)?;
            body.truncate(length);
            Ok(Reply::Text(body))
        }
        b'*' => {
            let Ok(length) = usize::try_from(number()?) else { return Ok(Reply::Nil) };
            (0..length).map(|_| read(from)).collect::<io::Result<_>>().map(Reply::List)
        }
        other => Err(io::Error::other(format!("unknown kind of answer {:?}", char::from(other)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_answer_is_read() {
        let bytes: &[u8] = b"*5\r\n+OK\r\n-ERR no\r\n:-7\r\n$-1\r\n$3\r\na\nb\r\n";
        let expected = Reply::List(vec![
            Reply::Text(b"OK".to_vec()),
            Reply::Error("ERR no".into()),
            Reply::Int(-7),
            Reply::Nil,
            Reply::Text(b"a\nb".to_vec()),
        ]);
        assert_eq!(read(&mut &*bytes).unwrap(), expected);
        assert_eq!(read(&mut &b"$5\r\nab"[..]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(read(&mut &b""[..]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

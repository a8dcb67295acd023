//! The output of a process, read to its end and kept in part.

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinSet;

/// Most bytes that are kept from the beginning.
const HEAD: usize = 1024 * 1024;
/// Most bytes that are kept from the end.
const TAIL: usize = 64 * 1024;

/// An output that is being read, so that its writer never waits. Dropping it ends the reading.
pub(super) struct Reading(JoinSet<Capped>);

impl Reading {
    pub(super) fn of(source: Option<impl AsyncRead + Send + Unpin + 'static>) -> Self {
        let mut task = JoinSet::new();
        if let Some(source) = source {
            task.spawn(read(source));
        }
        Self(task)
    }

    /// Returns the text at the end of the output.
    pub(super) async fn text(mut self) -> String {
        match self.0.join_next().await {
            Some(Ok(capped)) => capped.text(),
            _ => String::new(),
        }
    }
}

/// An error ends the reading as the end of the output does.
async fn read(mut source: impl AsyncRead + Unpin) -> Capped {
    let mut capped = Capped::default();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read) = source.read(&mut buffer).await {
        if read == 0 {
            break;
        }
        capped.push(&buffer[..read]);
    }
    capped
}

/// The beginning and the end of an output.
#[derive(Default)]
struct Capped {
    head: Vec<u8>,
    tail: Vec<u8>,
    is_cut: bool,
}

impl Capped {
    fn push(&mut self, bytes: &[u8]) {
        let (head, tail) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(tail);
        if self.tail.len() > 2 * TAIL {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.is_cut |= surplus > 0;
        self.tail.drain(..surplus);
    }

    /// Returns the text. Where a part is missing, a line ends.
    fn text(mut self) -> String {
        self.cut();
        if self.is_cut {
            self.head.push(b'\n');
        }
        self.head.append(&mut self.tail);
        String::from_utf8_lossy(&self.head).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_beginning_and_the_end_are_kept() {
        let short = read(&b"one\ntwo"[..]).await;
        assert_eq!(short.text(), "one\ntwo");
        let long = [vec![b'a'; HEAD], vec![b'b'; 10 * TAIL], b"end".to_vec()].concat();
        let kept = read(&long[..]).await.text();
        assert!(kept.starts_with("aaa") && kept.ends_with("bend"));
        assert_eq!(kept.len(), HEAD + 1 + TAIL);
        assert_eq!(kept.as_bytes()[HEAD], b'\n');
    }
}

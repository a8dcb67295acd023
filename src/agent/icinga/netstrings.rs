//! `icinga2.debug` and `icinga2.vars`: streams of netstrings, `LENGTH:JSON,`.

use std::io::{self, BufRead, Read as _};

/// Most digits of a length.
const MOST_DIGITS: usize = 12;

/// Reads one netstring after the other from a source.
#[derive(Debug)]
pub(crate) struct Netstrings<R> {
    source: R,
    /// Most bytes that are still read.
    left: u64,
}

impl<R: BufRead> Netstrings<R> {
    /// Reads at most this many bytes of the source.
    pub(crate) fn new(source: R, most_bytes: u64) -> Self {
        Self { source, left: most_bytes }
    }

    /// Returns the content of the next one. None at the end of the source.
    ///
    /// # Errors
    /// If the source cannot be read, is no stream of netstrings, or is too large.
    pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut head = Vec::new();
        (&mut self.source).take(MOST_DIGITS as u64 + 1).read_until(b':', &mut head)?;
        if head.is_empty() {
            return Ok(None);
        }
        let length =
            head.strip_suffix(b":").and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let length: u64 = length.ok_or_else(broken)?;
        let total = (head.len() as u64).saturating_add(length).saturating_add(1);
        self.left = self.left.checked_sub(total).ok_or_else(|| io::Error::other("is too large"))?;
        // Not reserved before it is there: the length may be a lie.
        let mut content = Vec::new();
        (&mut self.source).take(length + 1).read_to_end(&mut content)?;
        if content.pop() != Some(b',') || content.len() as u64 != length {
            return Err(broken());
        }
        Ok(Some(content))
    }
}

fn broken() -> io::Error {
    io::Error::other("cannot be read as a stream of netstrings")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], most: u64) -> io::Result<Vec<Vec<u8>>> {
        let mut stream = Netstrings::new(bytes, most);
        let mut all = Vec::new();
        while let Some(one) = stream.next()? {
            all.push(one);
        }
        Ok(all)
    }

    #[test]
    fn each_is_read_and_a_broken_stream_is_an_error() {
        let file = b"2:ab,0:,3:c:d,";
        assert_eq!(all(file, 100).unwrap(), [&b"ab"[..], b"", b"c:d"]);
        for end in 0..file.len() {
            assert_eq!(all(&file[..end], 100).is_ok(), [0, 5, 8].contains(&end), "{end}");
        }
        for broken in ["x:a,", "1:ab,", ":,", "-1:,", "99999999999999999999:", "999999999999:a,"] {
            assert!(all(broken.as_bytes(), u64::MAX).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_large_stream_is_refused() {
        assert!(all(b"2:ab,2:ab,", 10).is_ok());
        assert!(all(b"2:ab,2:ab,", 9).unwrap_err().to_string().contains("too large"));
    }
}

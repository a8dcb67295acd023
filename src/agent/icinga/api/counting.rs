//! Counts the objects of an answer without keeping it.

/// Longest first object that is kept for its name, in bytes.
const FIRST_MAX: usize = 16 * 1024;

/// Reads `{"results":[{...},{...}]}` in parts, and counts what is between the square brackets.
#[derive(Default)]
pub(super) struct Counting {
    objects: u64,
    depth: usize,
    is_text: bool,
    is_escaped: bool,
    was_opened: bool,
    first: Vec<u8>,
}

impl Counting {
    /// Depth of an object in the list: below the list, below the answer.
    const OBJECT: usize = 3;

    pub(super) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let before = self.depth;
            if self.is_escaped {
                self.is_escaped = false;
            } else if self.is_text {
                self.is_escaped = *byte == b'\\';
                self.is_text = *byte != b'"';
            } else {
                match byte {
                    b'"' => self.is_text = true,
                    b'{' | b'[' => {
                        self.depth += 1;
                        self.was_opened = true;
                        self.objects += u64::from(*byte == b'{' && self.depth == Self::OBJECT);
                    }
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
            if self.objects == 1 && before.max(self.depth) >= Self::OBJECT && self.first.len() < FIRST_MAX {
                self.first.push(*byte);
            }
        }
    }

    /// Returns whether the answer was read to its end.
    pub(super) fn is_whole(&self) -> bool {
        self.was_opened && self.depth == 0 && !self.is_text
    }

    pub(super) fn objects(&self) -> u64 {
        self.objects
    }

    /// Returns the name of the first object.
    pub(super) fn first_name(&self) -> Option<String> {
        let first: serde_json::Value = serde_json::from_slice(&self.first).ok()?;
        first.get("name")?.as_str().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_counted_however_the_answer_is_cut() {
        let text = r#"{"results":[{"attrs":{"__name":"a}\"{!b"},"joins":{},"meta":{},"name":"a}\"{!b","type":"Service"},{"attrs":{},"name":"c"}]}"#;
        for size in 1..text.len() {
            let mut counting = Counting::default();
            for chunk in text.as_bytes().chunks(size) {
                assert!(!counting.is_whole());
                counting.push(chunk);
            }
            assert!(counting.is_whole());
            assert_eq!((counting.objects(), counting.first_name().as_deref()), (2, Some("a}\"{!b")));
        }
        let mut empty = Counting::default();
        empty.push(br#"{"results":[]}"#);
        assert!(empty.is_whole() && empty.objects() == 0 && empty.first_name().is_none());
    }
}

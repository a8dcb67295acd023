//! Text from elsewhere (other servers, users' specs, the system) made safe for a status, a log line or an event.

/// Longest message of a condition, in bytes.
pub const MESSAGE_MAX: usize = 1024;

/// Cuts a message to [`MESSAGE_MAX`] and replaces control characters.
pub fn clean_message(text: &str) -> String {
    clean(text, MESSAGE_MAX)
}

/// Cuts a text to `limit` bytes at a character boundary, marks the cut with `…`, and replaces control characters by blanks.
pub fn clean(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit + 4));
    for c in text.chars() {
        if out.len() + c.len_utf8() > limit {
            out.push('…');
            break;
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_and_cleaned() {
        let message = clean_message(&format!("a\nb\u{7}{}", "ü".repeat(2000)));
        assert!(message.starts_with("a b ü"));
        assert!(message.len() <= MESSAGE_MAX + '…'.len_utf8());
    }
}

//! What is wrong with a server's certificate, in the words of rustls.

/// Why a certificate is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongCertificate {
    /// The trusted authority did not sign it.
    Authority,
    /// It has another name than the address.
    Name,
    /// It expired, or is not valid yet.
    Time,
}

impl WrongCertificate {
    /// Reads it from the text of a failure. `None` if that is about something else.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        match () {
            () if has(&["UnknownIssuer", "BadSignature"]) => Some(Self::Authority),
            () if has(&["not valid for name", "NotValidForName"]) => Some(Self::Name),
            () if has(&["certificate expired", "Expired", "not valid yet"]) => Some(Self::Time),
            () => None,
        }
    }
}

//! See `oracles::expression`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use oracles::Verdict;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // Inputs that are not UTF-8 are tried but not kept.
    match oracles::expression(bytes) {
        Verdict::Undecodable => Corpus::Reject,
        Verdict::Refused | Verdict::Accepted => Corpus::Keep,
    }
});

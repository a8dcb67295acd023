//! See `oracles::render`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use oracles::Verdict;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // Inputs that give no resource are tried but not kept.
    match oracles::render(bytes) {
        Verdict::Undecodable => Corpus::Reject,
        Verdict::Refused | Verdict::Accepted => Corpus::Keep,
    }
});

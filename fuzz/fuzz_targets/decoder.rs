//! See `oracles::decoder`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use oracles::Verdict;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // Inputs that are no resource are tried but not kept: most would only exercise the YAML parser.
    match oracles::decoder(bytes) {
        Verdict::Undecodable => Corpus::Reject,
        Verdict::Refused | Verdict::Accepted => Corpus::Keep,
    }
});

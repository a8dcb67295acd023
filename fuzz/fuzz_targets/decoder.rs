//! See `oracles::decoder`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use oracles::Verdict;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // What is no resource is tried, and not kept: most of it would be there for the YAML parser alone.
    match oracles::decoder(bytes) {
        Verdict::Undecodable => Corpus::Reject,
        Verdict::Refused | Verdict::Accepted => Corpus::Keep,
    }
});

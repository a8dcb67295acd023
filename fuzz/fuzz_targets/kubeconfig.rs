//! See `oracles::kubeconfig`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use oracles::Verdict;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // What is no YAML is tried, and not kept: it would be there for the parser alone.
    match oracles::kubeconfig::kubeconfig(bytes) {
        Verdict::Undecodable => Corpus::Reject,
        Verdict::Refused | Verdict::Accepted => Corpus::Keep,
    }
});

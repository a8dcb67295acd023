//! See `oracles::kubeconfig`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use oracles::Verdict;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // Inputs that are not YAML are tried but not kept: they would only exercise the parser.
    match oracles::kubeconfig::kubeconfig(bytes) {
        Verdict::Undecodable => Corpus::Reject,
        Verdict::Refused | Verdict::Accepted => Corpus::Keep,
    }
});

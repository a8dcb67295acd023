//! What others report, or what was measured of them: beside the figures of a run, not in its ratios. They come from other
//! machines; where they were taken on one like this it is said.

/// By target.
const PEERS: [(&str, &str); 10] = [
    ("P1", "null operator, such a machine: 9 / 21 ms (p50 / p99)"),
    (
        "P2",
        "Icinga 2, such a machine: 13-48 / 60-77 ms (2.13), 45 / 174 ms (2.16.5), without durability or acknowledgement; \
         Karmada, such a machine: 91 / 204 ms",
    ),
    ("P3", "Icinga 2, such a machine: 170-250/s at 1,000 objects, 95-130/s at 5,000; Karmada: 2-11/s"),
    (
        "P4",
        "Icinga 2 stages the whole set: 31.5 s; prometheus-operator's packing rewrites 13 shards for one change",
    ),
    (
        "P5",
        "Icinga 2, such a machine: 8-30 s; Karmada registers a member in 6.9 s (p99), without its objects",
    ),
    ("P6", "Karmada and OCM back off up to 1,000 s"),
    ("P7", "no peer publishes the effect of a dead member on the others; those that push in turn degrade"),
    ("P8", "Sveltos deploys again"),
    (
        "P9",
        "kube's own store, 100,000 objects, before / after a relist: 1,652 / 3,281 MiB, pruned 579 / 1,123 MiB",
    ),
    ("P11", "kube-apiserver: about 4 ms of CPU per write"),
];

/// Those of the targets that a run was about.
pub fn of(wanted: impl Fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
    PEERS.into_iter().filter(|(target, _)| wanted(target)).collect()
}

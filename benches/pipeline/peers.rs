//! Figures of other projects, reported by them or measured. They come from other machines, so they
//! are printed after a run and are not part of its ratios.

/// Target and figures.
const PEERS: [(&str, &str); 11] = [
    ("P1", "null operator, similar machine: 9 / 21 ms (p50 / p99)"),
    (
        "P2",
        "Icinga 2, similar machine: 13-48 / 60-77 ms (2.13), 45 / 174 ms (2.16.5), without durability or acknowledgement; \
         Karmada, similar machine: 91 / 204 ms",
    ),
    ("P3", "Icinga 2, similar machine: 170-250/s at 1,000 objects, 95-130/s at 5,000; Karmada: 2-11/s"),
    (
        "P4",
        "Icinga 2 stages the whole set: 31.5 s; prometheus-operator's packing rewrites 13 shards for one change",
    ),
    (
        "P5",
        "Icinga 2, similar machine: 8-30 s; Karmada registers a member in 6.9 s (p99), without its objects",
    ),
    ("P6", "Karmada and OCM back off up to 1,000 s"),
    (
        "P7",
        "no peer publishes the effect of a dead member on the others; those that push to one after another slow down",
    ),
    ("P8", "Sveltos deploys everything again"),
    (
        "P9",
        "kube's own store, 100,000 objects, before / after a relist: 1,652 / 3,281 MiB, pruned 579 / 1,123 MiB",
    ),
    ("P11", "kube-apiserver: about 4 ms of CPU per write"),
    (
        "P12",
        "Icinga 2 stages a whole set to a satellite: 5.2 s at 4,000 objects; nobody else reports that a set is loaded",
    ),
];

/// Returns the figures for the targets of a run.
pub fn of(wanted: impl Fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
    PEERS.into_iter().filter(|(target, _)| wanted(target)).collect()
}

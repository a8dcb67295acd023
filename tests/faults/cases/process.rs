//! Faults of the process, of time and of the machine.

use super::*;

const FROZEN: &str = "suites::fleet::two::an_operator_frozen_at_a_write_does_no_harm_when_it_wakes";
const STOPPED: &str = "suites::hub::volume_blocked::a_stop_is_obeyed_while_a_sync_hangs";

pub const CASES: &[Case] = &[
    case(
        "58",
        "SIGTERM under load",
        "SIGTERM while a status write and a satellite hang, and while the sync of a commit hangs",
        "R7 I4",
        &[
            "suites::hub::missing_things::missing_prerequisites_are_named_and_waited_for",
            STOPPED,
        ],
    ),
    case(
        "59",
        "process frozen until its Lease has run out",
        "SIGSTOP at each write, another process takes over, SIGCONT",
        "R3 R4 R9 I7",
        &[FROZEN, SIMULATION],
    ),
    case(
        "60",
        "the clock jumps",
        "in the simulation: a day forwards and backwards, again and again",
        "R4 R7 I4 I8",
        &[SIMULATION],
    )
    .open("the clock of the real process"),
    case(
        "61",
        "out of descriptors, threads or memory",
        "batches of 1,000 files, in one and in 1,000 namespaces, with 64 descriptors",
        "I9",
        &["lib::publish::tests::a_batch_of_any_size_needs_few_descriptors"],
    )
    .open("limits of threads and memory"),
    case(
        "62",
        "panic in the work on one object",
        "a panic while one is validated, in a status write, in a commit, in the actor of a satellite",
        "R1 R2 R5 R9 I9",
        &[
            "lib::hub::core::tests::refusals::an_object_that_makes_us_panic_is_refused_and_the_others_go_on",
            "lib::hub::core::tests::faults::a_status_write_that_panics_frees_its_place_and_its_publication_comes_again",
            "lib::hub::core::tests::faults::after_a_commit_that_panicked_files_are_as_they_are_found",
            "lib::satellite::supervise::tests::what_panics_runs_again_after_a_pause_that_grows",
            SIMULATION,
        ],
    ),
    case(
        "63",
        "upgrade and downgrade",
        "a manifest of a newer version, files with the header of another version, the names of shards; `make upgrade` lets two builds take turns under load",
        "R9 I8",
        &[
            "lib::snapshot::format::manifest::tests::a_manifest_is_read_as_written_and_a_newer_one_is_refused_by_its_version",
            "lib::hub::core::tests::recovery::a_file_of_before_with_a_foreign_header_is_written_anew",
            "lib::snapshot::format::layout::tests::the_names_of_shards_are_what_they_always_were",
        ],
    )
    .open("two builds, in `make test`"),
    case(
        "64",
        "two processes at once",
        "two on one volume; two with a volume each and one Lease",
        "R4 R9 I7",
        &[
            "suites::hub::volume_faults::only_our_own_volume_is_used_and_by_one_operator_at_a_time",
            FROZEN,
            "suites::satellites::sick::revisions_keep_growing_after_the_lease_is_lost",
            SIMULATION,
        ],
    ),
    case(
        "65",
        "log or metrics that nobody reads",
        "a pipe that is open and not read; clients that send nothing, half a request, or do not read",
        "I9",
        &[
            "suites::hub::sinks::a_log_that_nobody_reads_stops_nothing",
            "suites::hub::sinks::lines_that_the_log_lost_are_counted_and_reported_once",
            "suites::hub::sinks::clients_that_say_nothing_or_do_not_read_cost_nothing",
            "lib::cli::log::tests::a_panic_is_logged_and_does_not_wait_for_a_reader",
            "lib::http::connections::tests::a_client_that_sends_half_a_request_or_does_not_read_is_cut_off",
        ],
    ),
    case(
        "66",
        "objects created and deleted again and again",
        "blocks of objects deleted and created under load and random faults; `make soak` does so for hours",
        "R1 R3 R4 R5 R9 I1 I4 I5 I7 I8 I9 I10",
        &[SOAK],
    )
    .open("100,000 objects ten times, in `make test`"),
];

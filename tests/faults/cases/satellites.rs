//! Faults of satellites and of the way to them.

use super::*;

const HOSTILE: &str = "suites::fleet::hostile::hostile_satellites_delay_no_good_one_and_report_their_problem";
const SICK: &str =
    "suites::satellites::sick::a_sick_satellite_reports_its_reason_delays_no_other_and_recovers";
const STOPPED: &str = "suites::order::isolation::a_stopped_satellite_costs_the_others_nothing";
const SWEEP: &str =
    "suites::fleet::sweep::a_kill_at_every_write_leaves_a_complete_set_and_nothing_is_written_twice";
const CHECKED: &str = "suites::commands::check::connection_and_credential_faults_are_distinguished";
const JOIN_LATE: &str =
    "suites::satellites::join::a_late_joiner_gets_everything_in_one_pass_and_leaves_by_its_cleanup_policy";
const FOREIGN: &str = "suites::satellites::sick::foreign_config_maps_are_respected_and_drift_is_corrected";
const FULL: &str = "suites::fleet::tampered::a_missing_terminating_or_full_namespace_is_reported";

pub const CASES: &[Case] = &[
    case(
        "42",
        "no answer: refused, silent or a byte a second",
        "a server that accepts nothing, reads nothing, never answers, sends the head alone, or one byte a second; a name that does not resolve",
        "I4 I6 I9",
        &[HOSTILE, SICK, STOPPED, CHECKED],
    ),
    case(
        "43",
        "answers that are errors, garbage or far too large",
        "401, 403, 409, 413, 422, 429, 500, 502, 504, a redirect, HTML, bytes that are no HTTP, 1 GiB, a gzip bomb",
        "I6 I9",
        &[HOSTILE, SICK, "lib::satellite::core::actor::tests::a_server_that_asks_for_time_gets_it", "lib::satellite::client::tests::a_pause_in_a_header_is_read", "lib::satellite::explain::tests::a_pause_that_a_satellite_asks_for_is_capped"],
    )
    .open("other forms of Retry-After than seconds"),
    case(
        "44",
        "TLS that fails",
        "a handshake that stalls, no TLS, a connection that closes; certificates that expired, begin later, have another name or an unknown authority",
        "I6",
        &[HOSTILE, CHECKED, "suites::satellites::certificates::a_wrong_certificate_is_reported_delays_no_other_and_the_right_one_heals", "suites::satellites::sick::a_closed_connection_is_not_reported_as_a_tls_error"],
    ),
    case(
        "45",
        "credential that ended or was replaced",
        "a revoked token, a new Secret, a token that is renewed; a client certificate that ended",
        "I4",
        &[
            "suites::satellites::certificates::a_client_certificate_that_ended_is_reported_and_a_new_one_is_used_at_once",
            "suites::satellites::join::a_satellite_gets_the_objects_it_accepts_and_a_rotated_secret_is_picked_up",
            "suites::satellites::renewal::a_token_is_renewed_stored_used_and_revoked",
            "suites::satellites::credentials::a_new_secret_is_not_reported_as_drift",
            "suites::commands::rotate::the_old_token_is_refused_after_a_rotation_and_not_before_the_new_one_is_proven",
            "lib::satellite::core::actor::tests::credentials::a_401_reads_the_secret_again_at_once",
        ],
    ),
    case(
        "46",
        "satellite emptied, or restored from an old backup",
        "an outage, the ConfigMaps of an old backup, an empty cluster",
        "R4 R5 R8 R9 I4 I7",
        &["suites::fleet::outage::a_satellite_recovers_from_an_outage_an_old_backup_and_an_empty_cluster"],
    ),
    case(
        "47",
        "satellite that joins late",
        "a satellite is registered when objects exist, and removed; removed and registered again under the same name, in a burst",
        "R8 I4 I5",
        &[
            JOIN_LATE,
            "suites::fleet::many::twenty_satellites_hold_the_published_set",
            "suites::fleet::twice::a_satellite_that_is_removed_and_registered_again_in_a_burst_is_equal",
        ],
    ),
    case(
        "48",
        "ConfigMaps changed by others",
        "edited, deleted, a key removed, made immutable, owned by someone else; a fight",
        "R3 R4 R9 I4 I5",
        &[
            "suites::fleet::tampered::tampered_pointers_and_shards_are_restored",
            "suites::fleet::tampered::a_fight_over_the_pointer_does_not_stop_the_repair_of_a_shard",
            FOREIGN,
            "suites::satellites::choices::a_foreign_config_map_is_adopted_only_by_policy",
            SIMULATION,
        ],
    ),
    case(
        "49",
        "namespace missing, ending or full",
        "a namespace that is missing or terminating, a quota",
        "R3 I4 I6",
        &[FULL, "suites::satellites::room::garbage_is_deleted_to_make_room_when_a_quota_is_full", SICK],
    ),
    case(
        "50",
        "crash between two shards",
        "SIGKILL before and after each write",
        "R3 R4 R9 I4",
        &[SWEEP, SIMULATION],
    ),
    case(
        "51",
        "object or shard too large",
        "specs beyond every limit; sets that grow past the size of a shard",
        "R3 R9",
        &[
            "suites::hub::bad_input::bad_values_are_refused_and_hostile_text_stays_text",
            "lib::snapshot::format::layout::tests::a_set_that_fits_in_no_number_of_buckets_is_refused_with_figures",
            "lib::snapshot::format::layout::tests::buckets_become_more_when_one_is_full_and_fewer_when_all_would_be_far_from_it",
            SWEEP,
        ],
    ),
    case(
        "52",
        "many satellites away",
        "19 hostile ones beside three good ones; one of two stopped; all twelve away, and back in the same second",
        "I4 I6 I9",
        &[
            HOSTILE,
            STOPPED,
            "suites::fleet::together::all_satellites_away_and_back_in_the_same_second_are_equal_at_little_cost",
            SIMULATION,
        ],
    ),
    case("53", "satellite that comes and goes", "up for a second, down for five", "R4 I4 I6", &[HOSTILE]),
    case(
        "54",
        "satellite slower than the changes",
        "a proxy that delays each request by 700 ms while objects change",
        "R1 R4 R8 R9 I4 I6 I7",
        &["suites::order::slow::a_satellite_slower_than_the_changes_skips_revisions_and_delays_no_other", SOAK, SIMULATION],
    ),
    case(
        "55",
        "answer lost after the write was carried out",
        "the connection is closed after the request was applied; SIGKILL after each write",
        "R3 R4 I7",
        &[SICK, SWEEP, SIMULATION],
    ),
    case(
        "56",
        "the hub itself, or one place twice",
        "the hub's address as a satellite; one cluster with several targets; two SatelliteClusters with the same target",
        "R4 I5",
        &[
            "lib::satellite::credential::server::tests::the_hub_is_no_satellite_unless_that_is_allowed",
            "lib::satellite::credential::tests::the_hub_is_refused_where_it_is_known",
            "suites::satellites::join::a_satellite_gets_the_objects_it_accepts_and_a_rotated_secret_is_picked_up",
            "suites::fleet::twice::a_second_satellite_of_the_same_target_is_refused_and_takes_nothing_away",
        ],
    ),
    case(
        "57",
        "satellite removed while a request to it hangs",
        "the cleanup hangs",
        "I5 I6",
        &[JOIN_LATE, "lib::satellite::core::actor::tests::leaving::a_cleanup_has_its_time_and_not_a_moment_more"],
    ),
];

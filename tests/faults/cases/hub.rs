//! Faults of the hub's API server and of what it stores.

use super::*;

const BROKEN_WATCH: &str = "suites::hub::missing_things::changes_during_a_broken_watch_are_found";
const LATE_EVENT: &str = "suites::hub::watches::a_late_event_changes_nothing_and_a_silent_watch_is_found";
const MISSING: &str = "suites::hub::missing_things::missing_prerequisites_are_named_and_waited_for";
const HELD_STATUS: &str =
    "suites::hub::status_faults::a_held_status_write_and_a_newer_spec_delay_no_other_object";
const LATE_ANSWER: &str =
    "suites::hub::status_faults::a_late_answer_for_an_old_spec_makes_no_ready_for_the_new_one";
const LATE_ACKNOWLEDGEMENT: &str =
    "suites::order::races::a_late_acknowledgement_does_not_bring_a_withdrawn_object_back";

pub const CASES: &[Case] = &[
    case(
        "23",
        "API server killed and restarted",
        "SIGKILL of kube-apiserver, and its start when the Lease has run out",
        "R6 I4 I5",
        &["suites::hub::outages::an_api_server_that_is_killed_and_returns_costs_nothing"],
    ),
    case(
        "24",
        "etcd stops answering for a while",
        "SIGSTOP of etcd until the Lease has run out",
        "R6 I4 I5",
        &["suites::hub::outages::an_etcd_that_stops_for_a_while_costs_nothing"],
    )
    .open("ten minutes"),
    case(
        "25",
        "watch cut off",
        "every connection is cut, and objects change meanwhile; events that end in the middle; in the simulation a LIST that breaks off",
        "R5 R6 I4 I7",
        &[
            BROKEN_WATCH,
            "suites::hub::watches::an_event_that_ends_in_the_middle_is_not_lost",
            "lib::hub::core::tests::promise::a_list_that_broke_off_is_not_complete",
            SIMULATION,
        ],
    ),
    case(
        "26",
        "watch silent while its connection stays open",
        "a proxy that passes nothing on, not even the end of the stream",
        "I4",
        &[LATE_EVENT],
    ),
    case(
        "27",
        "version of the watch too old",
        "410 in the stream and as the HTTP answer, after deletions that nobody saw; a LIST whose continue token expires",
        "R5 R6 I4 I7",
        &[
            BROKEN_WATCH,
            "suites::hub::watches::a_watch_whose_version_is_too_old_begins_anew_with_a_list",
            "suites::hub::watches::a_list_that_fails_in_the_middle_removes_nothing",
        ],
    ),
    case(
        "28",
        "deleted and created again while nobody watches",
        "a new resource of the same name while the connections are cut",
        "R1 R5 I2 I7",
        &[
            BROKEN_WATCH,
            "suites::order::races::a_snapshot_waits_for_a_recreated_object",
            "lib::hub::core::tests::orphans::a_resource_that_was_created_again_unseen_begins_anew",
            "lib::hub::core::tests::orphans::a_status_that_answers_for_an_earlier_resource_does_not_hide_the_present_one",
        ],
    ),
    case(
        "29",
        "events far faster than the work",
        "an object that is changed as fast as the API server can, while each of its status writes takes 200 ms",
        "R1 I2 I7 I9",
        &["suites::hub::storm::an_object_that_changes_faster_than_the_work_costs_little_and_delays_no_other"],
    )
    .open("10,000 changes a second: a real API server takes some hundred"),
    case(
        "30",
        "an event that never comes",
        "a proxy that leaves events out",
        "R5 I4",
        &["suites::hub::watches::events_that_never_came_are_found_by_the_next_list"],
    ),
    case(
        "31",
        "stale read",
        "a server that reports an object as it was; an event that comes late",
        "R6 I2 I7",
        &[LATE_EVENT, SIMULATION, "lib::hub::core::tests::refusals::a_stale_server_brings_no_older_spec_back"],
    )
    .open("a LIST of an older server, by the real process"),
    case(
        "32",
        "an object that cannot be decoded",
        "an object of a wrong form among others; a SatelliteCluster that a newer CRD admitted",
        "R6",
        &[
            "lib::watch::event::tests::an_object_that_cannot_be_read_does_not_end_the_watch",
            "lib::satellite::received::tests::one_that_cannot_be_read_does_not_end_the_list",
            "suites::satellites::newer::a_satellite_that_cannot_be_read_stops_no_other_and_is_reported",
        ],
    )
    .open("a MonitoringObject in the real process: its reading is the same code"),
    case(
        "33",
        "status write refused, lost or late",
        "403, 409, 413, 500, 503, an answer that is lost or hangs; the object is gone",
        "R1 R2 R4 I2 I7",
        &[
            "suites::hub::status_faults::nothing_reaches_a_satellite_before_its_ready_is_acknowledged",
            LATE_ANSWER,
            HELD_STATUS,
            "suites::order::random_load::every_delivered_content_was_renamed_and_acknowledged_first",
            "lib::hub::core::tests::statuses::a_write_of_an_object_that_is_gone_is_not_repeated",
            "lib::hub::core::tests::statuses::a_write_that_the_server_refuses_is_repeated",
            SIMULATION,
        ],
    )
    .open("429 with a pause of an hour"),
    case(
        "34",
        "CRD missing, deleted or replaced; many objects gone at once",
        "the CRD is missing at the start, deleted in mid-run, replaced while no operator runs; all objects deleted; an empty LIST",
        "R6 I4 I5",
        &[
            MISSING,
            "suites::hub::crd_loss::a_deleted_crd_removes_nothing_and_its_return_resumes_work",
            "suites::hub::crd_loss::a_crd_that_was_replaced_while_no_operator_ran_removes_nothing",
            "suites::hub::removals::a_namespace_that_is_emptied_stays_until_a_person_allows_it",
            "suites::hub::removals::a_list_that_is_empty_by_mistake_removes_nothing",
            SIMULATION,
        ],
    )
    .open("another version of the CRD"),
    case(
        "35",
        "deleted while it is published",
        "a deletion during the commit, the status write and the delivery",
        "R1 R5 I5 I7",
        &[
            LATE_ACKNOWLEDGEMENT,
            "lib::hub::core::tests::orphans::a_commit_for_a_resource_that_was_deleted_meanwhile_acknowledges_nothing",
            "suites::order::random_load::every_delivered_content_was_renamed_and_acknowledged_first",
            SIMULATION,
        ],
    ),
    case(
        "36",
        "namespace of objects that ends",
        "a namespace that is terminating, with objects that change and are deleted while the satellite hangs",
        "R5 I4 I5",
        &["suites::hub::terminating::a_namespace_that_ends_is_served_and_held_by_nothing"],
    ),
    case(
        "37",
        "deleted while no operator runs",
        "objects are deleted while the operator is stopped",
        "R5 R6 I5",
        &[
            "suites::order::races::objects_withdrawn_at_the_start_leave_in_order",
            "lib::hub::core::tests::removals::a_file_whose_resource_was_deleted_while_no_operator_ran_leaves_after_the_probe",
            SIMULATION,
        ],
    )
    .open("the finalizer of a SatelliteCluster removed by hand"),
    case(
        "38",
        "changed twice while the first change is published",
        "the status write of the first is held",
        "R1 R2 I2 I7",
        &[
            HELD_STATUS,
            LATE_ANSWER,
            "suites::order::races::a_content_overtaken_before_its_commit_gets_its_own_status",
            "suites::order::races::a_waiting_retry_of_an_old_generation_does_not_prevent_a_retry_of_the_new",
        ],
    ),
    case(
        "39",
        "permissions revoked",
        "each verb of a satellite's Role, and each of the hub's roles, in mid-run; the ClusterRoleBinding of the hub at the start; the RoleBinding of one of two namespaces, in mid-run and at the start; 403 for a status",
        "R2 I4 I6",
        &[
            "suites::fleet::permissions::each_revoked_permission_is_named_and_its_return_heals",
            MISSING,
            "suites::hub::status_faults::nothing_reaches_a_satellite_before_its_ready_is_acknowledged",
            "suites::hub::namespaced::a_namespace_that_cannot_be_listed_keeps_its_objects_and_delays_no_other",
            "suites::hub::rights::each_right_of_the_hub_that_is_taken_away_is_named_and_nothing_is_lost",
        ],
    ),
    case(
        "40",
        "the hub's certificate authority or token changes; the clock is wrong",
        "a certificate authority that the operator does not trust; a token that is not accepted any more, and a new one in its file",
        "I9",
        &[
            "suites::hub::explained::a_wrong_certificate_authority_of_the_hub_is_named_once",
            "suites::hub::rights::a_token_that_is_not_accepted_any_more_is_named_and_a_new_one_in_its_file_is_used",
        ],
    )
    .open("another certificate authority in mid-run; a clock that is an hour off"),
    case(
        "41",
        "somebody changes or refuses what we write",
        "another program that changes a status after each of our writes",
        "I9",
        &["lib::hub::core::tests::statuses::whoever_keeps_changing_a_status_makes_little_work"],
    )
    .open("an admission webhook that changes a request: of the answer to a status write only the version is read"),
];

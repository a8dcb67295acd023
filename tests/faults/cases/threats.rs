//! Threats of `SECURITY.md`.

use super::*;

const BAD_VALUES: &str = "suites::hub::bad_input::bad_values_are_refused_and_hostile_text_stays_text";
const TAKEN: &str = "suites::hub::bad_input::unresolved_references_and_taken_names_are_refused";
const HOSTILE: &str = "suites::fleet::hostile::hostile_satellites_delay_no_good_one_and_report_their_problem";
const KUBECONFIG: &str =
    "suites::satellites::refused::a_dangerous_kubeconfig_is_refused_by_field_runs_nothing_and_leaks_nothing";
const OURS: &str = "suites::hub::volume_faults::only_our_own_volume_is_used_and_by_one_operator_at_a_time";
const LINKS: &str = "lib::publish::tests::a_symlink_in_the_path_is_never_followed";

pub const CASES: &[Case] = &[
    case(
        "T1",
        "text of a resource becomes configuration",
        "quotes, newlines, brackets, control characters and random specs, read back by Icinga",
        "R9",
        &[
            "lib::render::tests::hostile_text_stays_inside_its_literal",
            "golden::hostile::a_hostile_manifest_is_refused_or_understood",
            "golden::random::whatever_is_accepted_is_understood_as_declared",
            "corpus::manifests",
            BAD_VALUES,
        ],
    ),
    case(
        "T2",
        "a macro in a value reads other variables",
        "`$` in every field that takes text",
        "",
        &["lib::validate::value::tests::text_and_macros", BAD_VALUES],
    )
    .open("a command that Icinga runs and that prints what it got"),
    case(
        "T3",
        "one object keeps Icinga from loading all others",
        "names that are missing, taken or circular; a spec that makes us panic",
        "R9",
        &[
            TAKEN,
            "golden::closure::published_sets_are_closed_and_loaded_and_nothing_waits_in_vain",
            "lib::references::index::tests::closed_unique_and_largest_after_every_step",
            "lib::hub::core::tests::refusals::an_object_that_makes_us_panic_is_refused_and_the_others_go_on",
        ],
    ),
    case(
        "T4",
        "a tenant takes over another's name",
        "two resources that claim one name",
        "R9",
        &[TAKEN, "lib::references::index::tests::the_oldest_keeps_a_name_and_the_next_takes_over"],
    )
    .open("references to objects of other namespaces are allowed by design"),
    case(
        "T5",
        "a path leaves the volume",
        "symbolic links in the path; names with dots and slashes",
        "I5",
        &[
            LINKS,
            "lib::identity::tests::file_keys_are_injective",
            "lib::cli::snapshot::unpack::tests::what_is_there_is_never_changed_and_no_link_is_followed",
            "suites::crd::refused::monitoring_objects_that_are_wrong",
        ],
    )
    .open("links at every component, exchanged while files are written"),
    case(
        "T6",
        "a kubeconfig runs a program or reads a file",
        "each dangerous field, with a program and a file that must stay untouched",
        "I10",
        &[
            KUBECONFIG,
            "lib::satellite::credential::kubeconfig::tests::commands_are_refused",
            "lib::satellite::credential::kubeconfig::tests::paths_are_refused",
            "lib::satellite::credential::kubeconfig::tests::proxies_are_refused",
            "lib::satellite::credential::kubeconfig::tests::nothing_but_the_allow_list_survives",
            "corpus::kubeconfigs",
        ],
    ),
    case(
        "T7",
        "a server URL leads to an internal address",
        "loopback, link-local and the hub's own address, in all spellings, and names that lead there; proxies of the environment",
        "",
        &[
            KUBECONFIG,
            "suites::satellites::refused::the_environment_proxy_is_not_used",
            "lib::satellite::credential::server::tests::addresses_that_no_satellite_has_are_refused",
            "lib::satellite::credential::server::tests::only_https_to_a_host_is_accepted",
            "lib::satellite::client::tests::a_name_that_leads_to_loopback_is_not_connected_to",
            "lib::satellite::client::tests::of_the_addresses_of_a_name_the_refused_ones_are_dropped",
        ],
    ),
    case(
        "T8",
        "a credential appears in a log, status, event or metric",
        "a marked token, and a satellite that quotes it",
        "I10",
        &[
            KUBECONFIG,
            HOSTILE,
            "lib::satellite::explain::tests::a_satellite_that_quotes_the_token_is_not_quoted",
            "lib::cli::log::tests::an_answer_that_may_quote_a_token_is_never_logged",
        ],
    )
    .open("client keys; core dumps"),
    case(
        "T9",
        "the operator's rights are used on what is not ours",
        "foreign ConfigMaps, accounts and Secrets under our names",
        "I5",
        &[
            "suites::satellites::choices::a_foreign_config_map_is_adopted_only_by_policy",
            "suites::satellites::sick::foreign_config_maps_are_respected_and_drift_is_corrected",
            "suites::commands::add::add_reports_foreign_owners_and_join_manifest_has_the_same_objects",
            "suites::commands::remove::the_account_of_another_satellite_is_never_deleted",
        ],
    ),
    not_injected(
        "T10",
        "the values of Secrets reach the configuration",
        "a search of all that is rendered",
        "no field of the API names a Secret; what a tenant writes into `vars` is published as it is",
    ),
    case(
        "T11",
        "a stolen credential, or more rights than needed",
        "every suite runs with the rights of the chart; each verb of a satellite missing or in excess; each right of the hub taken away in turn",
        "",
        &[
            "hack/check-chart.sh",
            "suites::commands::check::each_missing_and_each_excess_permission_is_named",
            "suites::commands::add::add_makes_the_least_account_and_a_second_run_writes_nothing",
            "suites::fleet::permissions::each_revoked_permission_is_named_and_its_return_heals",
            "suites::support_selftest::control_plane::a_service_account_is_refused_outside_its_role",
            "suites::hub::namespaced::the_roles_of_the_chart_are_enough_and_nothing_beyond_them_is_asked",
            "suites::hub::rights::each_right_of_the_hub_that_is_taken_away_is_named_and_nothing_is_lost",
        ],
    ),
    case(
        "T12",
        "a satellite answers to harm",
        "endless, packed and deep answers, lists without an end",
        "I6 I9",
        &[
            HOSTILE,
            "lib::satellite::remote::requests::tests::a_list_that_does_not_end_is_given_up",
            "lib::snapshot::format::verify::tests::nobody_decides_how_much_a_reader_holds",
            "golden::cli::a_small_file_cannot_become_a_large_one",
        ],
    ),
    case(
        "T13",
        "one tenant's load delays the others",
        "a burst of one namespace beside the change of another",
        "I6",
        &[
            "lib::status::queue::tests::a_burst_of_one_namespace_delays_no_other",
            "lib::status::fair::tests::the_namespaces_take_turns",
            "suites::crd::schema::every_field_has_a_description_and_a_limit",
        ],
    )
    .open("50,000 objects on a real API server"),
    case(
        "T14",
        "others write to the volume",
        "a second operator, another program's objects.d, files that are not ours, a foreign header, edits by hand",
        "R9 I5",
        &[
            OURS,
            LINKS,
            "lib::publish::tests::only_one_process_and_only_our_volume",
            "lib::hub::core::tests::recovery::a_file_of_before_with_a_foreign_header_is_written_anew",
            "suites::hub::volume_changed::a_file_that_somebody_changes_is_put_back_and_not_ready_until_then",
        ],
    ),
    case(
        "T15",
        "a dependency brings a fault",
        "licences, bans and sources of all dependencies",
        "",
        &["$(hack/cargo-deny.sh) check bans licenses sources"],
    )
    .open("a planted bad dependency; a second build that must be equal"),
    case(
        "T16",
        "a broken process reaches the machine",
        "the chart's Pod: no root, read-only root file system, no capability, seccomp",
        "",
        &["hack/check-chart.sh"],
    )
    .open(
        "the program under these limits, in `make test`; `make e2e` runs the chart's Pods on real kubelets",
    ),
    case(
        "T17",
        "anybody reads metrics, or the reasons of /readyz",
        "all listening ports of the process are asked",
        "",
        &[
            "suites::hub::served::outside_the_pod_there_is_a_yes_or_a_no_and_nothing_else",
            "hack/check-chart.sh",
        ],
    ),
];

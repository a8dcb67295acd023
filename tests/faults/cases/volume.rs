//! Faults while files are published.

use super::*;

const FULL: &str = "suites::hub::volume_faults::a_full_or_read_only_volume_keeps_its_files_and_recovers";
const OURS: &str = "suites::hub::volume_faults::only_our_own_volume_is_used_and_by_one_operator_at_a_time";
const CLOSED: &str =
    "suites::hub::volume_faults::no_object_is_published_while_one_that_it_names_cannot_be_written";
const UNREADABLE: &str =
    "suites::hub::volume_blocked::a_file_that_cannot_be_read_is_the_problem_of_its_object";
const KILLS: &str = "suites::order::kill::thirty_kills_lose_nothing_and_a_restart_writes_nothing";
const SWEEP: &str =
    "suites::fleet::sweep::a_kill_at_every_write_leaves_a_complete_set_and_nothing_is_written_twice";

const PARTIAL: &str =
    "lib::publish::tests::faults::a_file_that_is_written_in_part_never_takes_the_place_of_the_old_one";

pub const CASES: &[Case] = &[
    case(
        "1",
        "killed while it publishes",
        "SIGKILL at 30 random moments under load; in the simulation after each number of operations on the disk",
        "R1 R4 R5 R7 R9 I1 I2 I5 I7 I8",
        &[KILLS, SIMULATION],
    )
    .open("SIGKILL at each system call of the real process in turn"),
    case(
        "2",
        "killed between the sync and the status write",
        "the status write is held, and the process killed; in the simulation at random",
        "R1 R7 I2 I8",
        &[
            "suites::order::races::a_found_and_kept_content_is_never_missing",
            "suites::order::races::a_found_content_is_reported_ready_before_a_later_refusal",
            SIMULATION,
        ],
    ),
    case(
        "3",
        "killed between the status write and the first write to a satellite",
        "SIGKILL before and after each write to a satellite, for seven kinds of delivery",
        "R3 R4 R7 R9",
        &[SWEEP],
    ),
    case(
        "4",
        "killed while some satellites have the change and others do not",
        "SIGKILL at random moments with two satellites; in the simulation too",
        "R1 R4 R7 I4 I8",
        &[KILLS, SIMULATION],
    )
    .open("ten satellites"),
    case(
        "5",
        "killed again and again under load",
        "30 SIGKILLs in about a minute",
        "R1 R4 R5 R7 R9 I1 I2 I4 I5 I7 I8",
        &[KILLS],
    )
    .open("ten minutes; a bound on memory meanwhile"),
    case(
        "6",
        "power cut",
        "loop-mounted ext4, ext4 without auto_da_alloc and XFS, shut down at random moments; a disk in memory that loses what was not synced",
        "R7 R9 I1 I2 I5 I7",
        &[SIMULATION, "lib::publish::tests::power_cut::what_was_reported_survives_power_cuts"],
    ),
    case(
        "7",
        "crash while a set is replaced by the next",
        "SIGKILL before and after each write of a shard, a pointer and a deletion",
        "R3 R4 R9",
        &[SWEEP, SIMULATION],
    ),
    case(
        "8",
        "volume full",
        "a tmpfs filled to its last page; in the simulation ENOSPC from any operation",
        "R2 R9 I1 I2 I4",
        &[FULL, SIMULATION],
    ),
    case("9", "volume out of inodes", "a tmpfs with 64 inodes, all used", "R2 I1 I4", &[FULL]),
    case(
        "10",
        "a write that takes a part of the bytes, then fails",
        "a limit on the size of files (RLIMIT_FSIZE) in the middle of a file",
        "R2 R9 I1",
        &[PARTIAL],
    ),
    case(
        "11",
        "a system call interrupted by a signal",
        "EINTR from each call of a process, by strace",
        "R2 I2",
        &["lib::publish::tests::faults::interrupted_calls_are_repeated"],
    ),
    case(
        "12",
        "quota or size limit of a file reached",
        "EFBIG from the limit of the process; EDQUOT in its explanation alone",
        "R2 R9 I1",
        &[PARTIAL, "lib::publish::tests::faults::a_quota_is_a_full_volume"],
    )
    .open("EDQUOT from a file system"),
    case(
        "13",
        "a sync that fails",
        "a disk in memory: EIO from any sync, which also drops the unwritten pages",
        "R2 R9 I1 I2",
        &[
            SIMULATION,
            "lib::publish::tests::faults::a_confirmation_whose_sync_failed_proves_nothing",
            "lib::publish::tests::faults::a_directory_that_is_not_durable_is_synced_by_the_next_attempt",
            "lib::publish::tests::faults::a_failure_says_what_is_on_the_volume",
            "lib::publish::tests::unreadable::what_was_found_after_a_sync_that_failed_is_not_durable",
            "lib::hub::core::tests::statuses::a_file_that_may_not_survive_is_not_ready_and_is_written_again",
        ],
    )
    .open("the system calls of the real process"),
    case(
        "14",
        "volume read-only",
        "EROFS from every call that writes, in mid-run; a volume that is read-only at the start",
        "R2 I2 I4",
        &[FULL, "suites::hub::volume_faults::a_volume_that_is_read_only_at_the_start_is_named_and_waited_for", SIMULATION],
    ),
    case(
        "15",
        "volume not mounted",
        "an empty directory in the place of the mount, then the mount",
        "R6 I5",
        &[OURS],
    ),
    case(
        "16",
        "a sync that takes 30 s, or does not end",
        "strace delays each sync by two minutes, and by 0.7 s",
        "R7",
        &[
            "suites::hub::volume_blocked::a_stop_is_obeyed_while_a_sync_hangs",
            "suites::hub::volume_blocked::a_slow_sync_delays_what_it_is_for_and_nothing_else",
        ],
    ),
    case(
        "17",
        "a rename that was carried out and reports an error (NFS)",
        "a disk in memory that carries out a call and reports an error",
        "R2 R9 I2",
        &[
            SIMULATION,
            "lib::publish::tests::faults::a_rename_or_removal_that_failed_may_have_been_carried_out",
            "lib::publish::tests::faults::after_a_rename_that_failed_nothing_is_claimed_of_a_file_that_cannot_be_read",
            "lib::publish::tests::faults::a_file_that_a_failed_rename_found_edited_is_not_claimed",
        ],
    )
    .open("a real network file system"),
    not_injected(
        "18",
        "a reader on another node sees an old directory for a while (NFS)",
        "the attribute cache of a client",
        "needs a network file system, whose client the kernel here does not have",
    ),
    case(
        "19",
        "something of others in the volume, or our file changed by hand",
        "foreign files, directories, a FIFO and symbolic links; an objects.d of another program; our files edited, emptied, removed and moved",
        "R9 I5",
        &[
            "lib::publish::tests::a_file_or_symlink_among_the_directories_is_not_ours",
            "lib::publish::tests::a_symlink_in_the_path_is_never_followed",
            "lib::publish::tests::only_one_process_and_only_our_volume",
            CLOSED,
            OURS,
            UNREADABLE,
            "suites::hub::volume_changed::a_file_that_somebody_changes_is_put_back_and_not_ready_until_then",
            "lib::hub::core::tests::changes::a_round_over_all_files_finds_what_no_watcher_shows",
            "lib::hub::core::tests::changes::a_file_that_somebody_adds_is_removed",
        ],
    ),
    case(
        "20",
        "one file that cannot be written or read",
        "a directory or a FIFO in the place of the file; a file that another user owns; errors of single files",
        "R2 R9",
        &[
            CLOSED,
            "lib::publish::tests::what_depends_on_a_failed_file_is_not_renamed",
            UNREADABLE,
            "lib::publish::tests::unreadable::a_file_that_cannot_be_read_hides_nothing_else",
            "lib::publish::tests::unreadable::what_cannot_be_read_is_replaced_before_any_name_goes",
            "lib::hub::core::tests::unreadable::no_name_goes_while_a_file_that_may_need_it_cannot_be_read",
        ],
    ),
    case(
        "21",
        "names that are long, alike or not admitted",
        "generated and hostile names",
        "R9",
        &[
            "lib::identity::tests::file_keys_are_injective",
            "lib::validate::tests::names_that_no_api_server_admits_are_refused",
            "suites::crd::refused::a_resource_name_of_180_characters_is_accepted",
            "suites::crd::refused::monitoring_objects_that_are_wrong",
        ],
    ),
    case(
        "22",
        "a temp file that Icinga would load",
        "every file that appears below objects.d, by any way but a rename, is reported",
        "R9 I1",
        &[
            "suites::order::random_load::every_delivered_content_was_renamed_and_acknowledged_first",
            "suites::support_selftest::volume_watch::writes_in_place_are_violations",
        ],
    ),
];

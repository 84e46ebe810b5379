//! The Redis platform through its public surface, each case in memory and on a real server.

mod deleting;
mod injecting;
mod instances;
mod lab;
mod saying;
mod users;

macro_rules! cases {
    ($($subject:ident: $($case:ident),+ $(,)?;)+) => {
        mod memory {
            $(mod $subject { $(
                #[test]
                fn $case() { super::super::lab::in_memory(super::super::$subject::$case); }
            )+ })+
        }
        mod server {
            $(mod $subject { $(
                #[test]
                fn $case() { super::super::lab::on_server(super::super::$subject::$case); }
            )+ })+
        }
    };
}

cases! {
    instances:
        a_key_is_shown_once_and_kept_as_a_hash,
        only_the_right_key_opens,
        of_many_creators_one_wins,
        any_text_is_an_id_of_its_own,
        what_cannot_be_an_id_is_refused,
        what_is_too_long_to_exist_does_not,
        metadata_touch_no_field_of_ours,
        an_update_leaves_key_and_creation_alone,
        lists_are_sorted_and_leave_broken_records_out,
        keys_in_clear_are_read_and_on_request_written,
        a_new_instance_inherits_nothing;
    users:
        a_user_is_registered_read_and_removed,
        records_are_those_of_the_original,
        broken_records_are_left_out,
        an_unknown_instance_has_no_users,
        what_cannot_be_kept_is_refused;
    injecting:
        everything_reaches_the_workers,
        an_open_instance_needs_a_name,
        a_roster_decides_who_may_write,
        a_roster_made_meanwhile_counts_at_once,
        an_unknown_instance_is_not_found,
        what_decides_about_a_message_is_not_the_callers,
        a_message_id_is_taken_once,
        after_the_end_nothing_is_taken;
    saying:
        a_message_is_told_and_kept,
        a_file_is_kept_as_bytes_for_a_day,
        a_file_has_bounds,
        files_of_the_original_are_read_and_on_request_written,
        what_is_said_again_is_said_once,
        replies_are_read_on_by_id,
        what_was_cut_off_is_told,
        the_end_of_a_turn_is_the_last,
        nothing_is_said_to_an_unknown_instance,
        instances_of_one_trace_id_hear_nothing_of_each_other,
        a_turn_goes_there_and_back,
        the_platform_by_name,
        the_platform_is_what_the_original_says;
    deleting:
        everything_goes_and_is_counted,
        deleting_nothing_is_told,
        what_is_deleted_meanwhile_stays_deleted,
        nobody_elses_keys_go;
}

mod trouble {
    use super::{deleting, lab};

    #[test]
    fn trouble_with_the_server_is_an_error() {
        lab::on_server(deleting::trouble_with_the_server_is_an_error);
    }

    #[test]
    fn a_short_break_is_not_told() {
        lab::on_server(deleting::a_short_break_is_not_told);
    }
}

//! What every transport must do: many small cases, each run on the in-process engine and on a real server,
//! there with fetches of both kinds.
//!
//! A case is an async function over a [`lab::Lab`]; the list below makes a test of it for each transport. The engine
//! runs on a clock that stands still until a case moves it, the server on its own.

mod exclusive;
mod groups;
mod keeping;
mod lab;
mod lanes;
mod letters;
mod locks;
mod logs;
mod order;
mod player;
mod publish;
mod random;
mod random_store;
mod sessions;
mod settle;
mod store;
mod strays;
mod traces;
mod waiting;

macro_rules! cases {
    ($($subject:ident: $($case:ident),+ $(,)?;)+) => {
        mod engine {
            $(mod $subject { $(
                #[test]
                fn $case() { super::super::lab::on_engine(super::super::$subject::$case); }
            )+ })+
        }
        mod server {
            $(mod $subject { $(
                #[test]
                fn $case() { super::super::lab::on_server(super::super::$subject::$case); }
            )+ })+
        }
        mod server_unweighed {
            $(mod $subject { $(
                #[test]
                fn $case() { super::super::lab::on_server_unweighed(super::super::$subject::$case); }
            )+ })+
        }
    };
}

cases! {
    publish:
        appended_entries_are_read_back_in_order,
        one_batch_spans_streams_and_fails_singly,
        a_message_id_is_stored_once_inside_its_window,
        a_message_id_is_forgotten_after_its_window,
        a_stale_session_publishes_nothing,
        a_strict_cap_refuses_and_stores_nothing,
        a_duplicate_is_answered_although_the_stream_is_full,
        the_length_is_told_when_asked,
        a_big_body_stands_beside_its_entry,
        an_entry_without_fields_is_invalid,
        ids_are_not_given_twice_after_a_deletion,
        a_capped_stream_loses_its_oldest,
        an_entry_leaves_a_mark_and_its_stream_an_end,
        what_is_kept_along_is_refused_with_its_entry,
        a_closed_transport_says_so,
        deleted_streams_are_gone_with_all_beside_them;
    groups:
        a_group_is_made_once,
        registering_needs_a_group,
        an_identity_is_plain_text,
        an_identity_is_never_taken_by_force,
        registering_again_after_a_lost_answer_changes_nothing,
        another_mode_is_a_conflict_until_the_last_has_retired,
        a_lost_group_is_made_anew_and_nothing_unfinished_is_skipped,
        a_second_group_starts_below_its_oldest_unfinished_entry,
        a_deleted_stream_is_a_lost_group,
        after_a_flush_sessions_are_forgotten,
        one_group_does_not_see_the_other;
    order:
        a_lane_stays_with_its_owner_until_it_is_settled,
        a_fetch_is_repeatable_after_a_lost_answer,
        a_lost_answer_does_not_hide_what_came_before_the_next,
        the_server_counts_so_a_lane_is_not_freed_under_a_fetch,
        a_settle_sent_twice_does_not_free_the_lane,
        an_adopter_between_two_pages_keeps_the_lane,
        a_lane_of_nobody_is_free,
        history_comes_first_and_in_order,
        count_and_bytes_bound_an_answer,
        a_fetch_ends_although_everything_belongs_to_others,
        many_consumers_keep_every_lane_in_order,
        concurrent_connections_keep_every_lane_in_order,
        without_order_everything_goes_to_whoever_reads;
    exclusive:
        the_first_to_ask_holds_the_stream,
        lanes_are_told_as_where_they_are_routed,
        a_standby_settles_nothing_of_the_holder,
        who_acts_for_the_holder_reads_on,
        the_place_is_free_when_the_holder_has_retired,
        a_holder_that_was_forgotten_holds_nothing,
        a_batch_is_settled_as_a_whole,
        a_retiring_holder_rings_those_who_rest;
    locks:
        a_lock_is_held_under_one_token,
        a_lock_lapses_unless_it_is_renewed,
        a_lock_lasts_a_while,
        giving_a_lock_up_is_told,
        a_locking_group_reads_plainly_and_tells_the_lanes,
        locks_of_another_name_are_a_conflict;
    traces:
        steps_stand_in_the_order_they_came,
        what_the_state_does_not_allow_is_written_and_counted,
        a_long_trace_keeps_its_beginning_and_its_state,
        steps_that_cannot_be_added_are_invalid;
    settle:
        an_ack_finishes,
        a_settle_repeated_is_done_once,
        a_stale_session_settles_nothing,
        a_lane_that_moved_is_stale_for_its_entry_only,
        an_entry_without_lane_is_settled_by_its_holder_only,
        a_dead_letter_keeps_its_fields_and_bytes,
        a_retry_keeps_lane_and_due_time,
        a_retry_is_absolute,
        counts_of_remaining_lanes_are_told,
        begin_marks_only_what_is_pending,
        what_is_finished_leaves_nothing_behind,
        the_largest_batch_is_carried_out,
        too_many_outcomes_are_invalid;
    letters:
        a_letter_put_back_takes_its_message_id_along,
        a_replay_repeated_stores_once,
        a_letter_that_is_gone_is_not_put_back,
        a_replay_into_a_full_stream_keeps_the_letter,
        a_big_body_goes_with_its_letter_and_back,
        each_group_has_a_letter_with_a_body_of_its_own,
        a_letter_whose_body_is_gone_is_kept,
        discarded_letters_are_told_from_those_that_were_gone,
        letters_are_read_from_behind;
    sessions:
        beats_and_fences_are_shown,
        renewing_says_who_is_not_in_force,
        adoption_is_a_compare_and_set,
        of_two_adopters_one_wins,
        an_adoption_repeated_gives_the_same_session,
        a_fence_is_compared_as_a_whole,
        an_adopter_reads_all_and_the_old_session_is_refused,
        records_survive_adoption_and_waiting_is_not_starting,
        an_adopted_identity_reads_nothing_new,
        a_session_retires_only_when_it_holds_nothing,
        work_routed_before_retiring_is_not_lost,
        a_stopped_session_has_left_and_keeps_its_work,
        held_looks_without_counting,
        deliveries_count_as_in_redis,
        an_entry_deleted_while_pending_is_handed_without_a_body;
    strays:
        what_a_foreign_consumer_left_is_taken_once_it_is_old,
        a_stray_goes_to_the_owner_of_its_lane,
        what_forgotten_sessions_left_keeps_its_place,
        who_held_the_stream_holds_it_when_it_is_found_again,
        a_walk_goes_page_by_page_over_all_strange_consumers,
        what_a_foreign_consumer_left_may_have_been_deleted,
        what_a_deleted_consumer_held_comes_back_before_anything_else,
        what_a_deleted_consumer_held_without_lane_goes_back_to_it,
        a_record_of_what_somebody_else_finished_goes,
        a_walk_starts_again_when_another_consumer_is_deleted,
        what_somebody_else_may_have_finished_is_left_alone,
        only_a_session_in_force_gathers,
        a_survey_names_who_is_not_registered,
        refreshing_resets_idle_times_and_nothing_else;
    lanes:
        the_key_is_the_lane,
        older_entries_have_the_lane_of_their_envelope,
        unaddressed_entries_have_none_unless_asked_for,
        what_cannot_be_read_has_none,
        an_envelope_over_the_limit_has_none;
    keeping:
        acked_entries_go_with_their_bodies,
        two_groups_keep_an_entry_until_both_are_done,
        a_lost_group_keeps_everything,
        a_group_of_long_ago_holds_nothing_up,
        forever_keeps_everything,
        at_full_memory_work_goes_on_and_nothing_new_comes,
        a_sweep_frees_lanes_of_nobody,
        information_tells_what_is_known;
    store:
        texts_are_bytes_and_conditions_hold,
        keys_end_with_their_time,
        counters_count,
        counters_stay_in_their_range,
        hashes_keep_fields,
        sets_keep_members,
        sorted_sets_are_read_by_score,
        lists_keep_their_order,
        a_batch_is_carried_out_as_a_whole,
        a_batch_hangs_on_its_conditions,
        a_key_of_another_kind_is_told,
        at_full_memory_what_frees_goes_on,
        what_is_out_of_bounds_is_refused;
    logs:
        a_log_is_read_from_any_place,
        a_log_is_trimmed_up_to_an_id,
        a_tail_hears_of_what_comes,
        many_tails_share_one_reader,
        a_tail_outlives_its_stream,
        a_bad_tail_does_not_harm_the_others,
        closing_ends_tails_and_subscriptions,
        notifications_reach_those_who_listen,
        notifications_keep_their_bytes_and_order;
    waiting:
        a_watcher_wakes_at_an_append,
        a_watcher_that_missed_an_append_does_not_wait,
        waiting_ends_with_its_time,
        the_ninth_rests_and_a_full_fetch_rings_it,
        a_stop_rings_those_who_rest;
}

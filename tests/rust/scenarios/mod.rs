//! The behaviours of `tests/scenarios.toml` through the public API, each in memory and on a real server.

mod calling;
mod delivering;
mod events;
mod failing;
mod lab;
mod letters;
mod locking;
mod losing;
mod loss;
mod modes;
mod ordering;
mod platforms;
mod publishing;
mod refusing;
mod time;
mod tracing;

macro_rules! scenarios {
    ($($subject:ident: $($id:ident),+ $(,)?;)+) => {
        mod memory {
            $($(
                #[test]
                fn $id() { super::lab::in_memory(stringify!($id), super::$subject::$id); }
            )+)+
        }
        mod server {
            $($(
                #[test]
                fn $id() { super::lab::on_server(stringify!($id), super::$subject::$id); }
            )+)+
        }
    };
}

scenarios! {
    calling:
        a_call_carries_the_context_of_its_trace,
        a_call_runs_where_it_is_served,
        a_failing_call_tells_code_text_and_details,
        a_call_that_nobody_answers_ends_by_its_timeout,
        a_call_that_nobody_serves_says_so,
        a_request_that_is_read_too_late_is_not_run,
        cancelling_a_call_reaches_its_handler,
        bytes_written_back_survive,
        a_redelivered_turn_does_not_run_its_calls_again,
        a_tool_is_called_by_its_name,
        wrong_arguments_are_told_before_the_tool_runs,
        permissions_are_asked_where_a_tool_runs,
        a_registry_offers_and_calls_what_others_serve,
        a_tool_of_ones_own_runs_in_the_process;
    events:
        events_travel_in_the_originals_bytes,
        a_live_reader_misses_nothing_between_two_reads,
        what_is_no_event_is_told_as_such,
        events_are_handled_by_kind_or_by_beginning,
        closing_sends_the_events_that_wait,
        deep_code_tells_the_bus_of_the_process;
    tracing:
        a_message_is_followed_by_its_trace_id,
        retries_and_dead_letters_stand_in_the_trace,
        steps_of_ones_own_are_written_and_judged;
    locking:
        a_lock_has_one_holder,
        the_loss_of_a_lock_ends_what_runs_under_it,
        a_lock_is_entered_again_by_its_object,
        who_stops_waiting_for_a_lock_takes_nothing,
        leaders_have_numbers_that_grow,
        a_singleton_runs_on_one_process,
        a_singleton_starts_again_as_its_policy_says;
    delivering:
        a_message_is_handled_once,
        until_idle_ends_when_nothing_is_left,
        idle_counts_what_a_closed_consumer_left,
        leaving_releases_what_is_in_hand,
        closing_hands_the_rest_to_others,
        an_entry_is_seen_by_every_group,
        unaddressed_messages_have_no_lane,
        unicode_bytes_and_unknown_fields_survive,
        a_big_body_travels_whole;
    ordering:
        entries_of_a_lane_run_in_stream_order,
        lanes_run_side_by_side,
        the_next_of_a_lane_starts_after_the_outcome,
        a_retry_keeps_the_order_of_its_lane,
        waiting_lanes_starve_no_other,
        tools_run_in_no_order;
    modes:
        one_exclusive_consumer_works_and_another_takes_over,
        locked_channels_run_one_at_a_time;
    failing:
        a_failing_handler_is_retried,
        a_retry_waits_as_long_as_asked,
        what_fails_too_often_is_dead_lettered,
        a_reject_is_dead_lettered_at_once,
        a_slow_handler_is_cut_off,
        a_release_is_not_counted;
    losing:
        the_work_of_a_dead_consumer_runs_elsewhere,
        a_long_handler_runs_once;
    loss:
        a_capped_stream_tells_the_time_to_loss,
        what_stands_before_the_oldest_is_counted;
    platforms:
        a_message_becomes_an_envelope_and_back,
        a_message_goes_from_a_platform_to_a_worker_and_back,
        what_was_sent_is_not_sent_again,
        a_send_that_a_gateway_died_in_is_repeated_and_told,
        a_send_that_a_gateway_died_in_can_be_left_to_people,
        an_adapter_that_breaks_is_started_again;
    publishing:
        a_message_id_is_stored_once,
        a_full_stream_refuses_a_publish,
        a_dead_letter_keeps_the_original_bytes;
    letters:
        dead_letters_are_counted_and_listed,
        a_replayed_entry_is_the_same_and_keeps_its_history,
        a_replay_repeated_stores_once,
        a_replay_into_a_full_stream_keeps_the_letter,
        letters_are_replayed_by_filter,
        discarding_by_filter_needs_the_right_count,
        letters_of_the_original_can_be_replayed,
        a_letter_that_is_none_can_only_be_discarded,
        a_big_body_lives_as_long_as_its_letter,
        notices_tell_what_happens_until_the_end;
    refusing:
        a_field_of_the_wrong_type_is_invalid,
        a_missing_field_is_invalid,
        an_unknown_type_is_invalid,
        a_body_over_the_limit_is_too_large,
        a_body_too_deep_is_too_large,
        a_group_of_another_mode_is_a_conflict,
        a_closed_bus_says_so,
        an_unknown_stream_is_not_found,
        nothing_in_time_is_a_timeout;
}

mod server_only {
    use super::{lab, locking, losing, modes, refusing};

    #[test]
    fn a_lock_of_the_original_is_the_same_lock() {
        lab::on_server("", locking::a_lock_of_the_original_is_the_same_lock);
    }

    #[test]
    fn a_silent_server_costs_the_lock_in_time() {
        lab::on_server("", locking::a_silent_server_costs_the_lock_in_time);
    }

    #[test]
    fn a_lock_outlives_a_restart_that_forgets_nothing() {
        lab::in_memory("", locking::a_lock_outlives_a_restart_that_forgets_nothing);
    }

    #[test]
    fn a_channel_that_another_program_locked_waits() {
        lab::on_server("", modes::a_channel_that_another_program_locked_waits);
    }

    #[test]
    fn a_body_that_stands_elsewhere_is_malformed_and_left_alone() {
        lab::on_server("", refusing::a_body_that_stands_elsewhere_is_malformed_and_left_alone);
    }

    #[test]
    fn an_entry_that_is_no_msgpack_is_malformed() {
        lab::on_server("", refusing::an_entry_that_is_no_msgpack_is_malformed);
    }

    #[test]
    fn an_entry_with_text_that_is_not_utf8_is_malformed() {
        lab::on_server("", refusing::an_entry_with_text_that_is_not_utf8_is_malformed);
    }

    #[test]
    fn a_settle_of_a_stale_session_is_refused() {
        lab::on_server("", losing::a_settle_of_a_stale_session_is_refused);
    }

    #[test]
    fn a_restarted_server_is_used_again() {
        lab::on_server("", losing::a_restarted_server_is_used_again);
    }

    #[test]
    fn a_lost_group_is_made_again() {
        lab::on_server("", losing::a_lost_group_is_made_again);
    }

    #[test]
    fn an_unreachable_server_is_unavailable() {
        lab::in_memory("", refusing::an_unreachable_server_is_unavailable);
    }

    #[test]
    fn a_wrong_password_is_an_auth_error() {
        lab::in_memory("", refusing::a_wrong_password_is_an_auth_error);
    }
}

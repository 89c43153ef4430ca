//! What every engine behind the contract must do: test functions over any [`Store`]. An engine's tests call
//! [`contract_suite!`](crate::contract_suite!) with a way to make an [`Engine`]; each function then runs on a fresh one.
#![allow(missing_docs, reason = "each function's name says what it shows")]

pub mod calling;
pub mod claims;
pub mod components;
pub mod delivery;
pub mod entries;
pub mod groups;
pub mod imports;
pub mod inbox;
pub mod journeys;
pub mod keeping;
pub mod lanes;
pub mod merging;
pub mod notes;
pub mod people;
pub mod slices;
pub mod walk;
mod world;

pub use world::World;

use crate::contract::Store;
use std::future::Future;

/// An engine under test.
pub trait Engine: Send + Sync + Sized {
    /// Its store.
    type Store: Store;

    /// The store.
    fn store(&self) -> Self::Store;

    /// Dies at this very instant, without closing anything, and starts again on what is durable.
    fn crash(self) -> impl Future<Output = Self>;
}

/// Runs the whole suite on an engine: `contract_suite!(expression that makes a fresh Engine)`.
#[macro_export]
macro_rules! contract_suite {
    ($engine:expr) => {
        $crate::contract_suite!(@module $engine, people:
            a_person_is_merged_by_external_id_and_alias
            two_people_are_never_joined_by_a_shared_alias
            events_are_appended_once_per_message_id
            people_are_found_by_any_identifier
            an_unknown_reason_of_many_stays_bounded
            memberships_keep_recorded_sets_and_claims
            a_canvas_published_twice_is_one_version
            audiences_and_lanes_are_kept_by_their_keys
            an_audience_that_was_to_be_made_gets_its_id_everywhere_at_once
            an_old_lease_is_fenced_from_every_writing_call
            a_change_is_never_missed
        );
        $crate::contract_suite!(@module $engine, entries:
            rule_11_1_at_once_moves_on_and_when_synced_parks
            rule_11_11_one_open_entry_over_all_versions_of_a_canvas
            rule_11_11_a_known_intake_row_does_nothing
            re_entry_never_always_and_after
            rule_11_11_caps_are_counted_with_the_entries
            rule_11_13_an_entry_begins_with_what_lets_it_in
            impossible_moves_are_refused_and_leave_nothing
            timers_fire_in_order_and_once
            rule_11_12_what_was_decided_before_a_canvas_was_stopped_is_refused
            rule_11_12_an_ended_entry_hears_exit_while_something_is_unsent
            an_exit_ends_a_wait_at_once
            every_step_counts_what_entered_it
            a_crash_keeps_every_acknowledged_entry
        );
        $crate::contract_suite!(@module $engine, journeys:
            an_update_is_kept_with_its_move
            open_entries_go_to_another_version_with_their_visits
        );
        $crate::contract_suite!(@module $engine, groups:
            groups_change_once_and_tell_the_inbox
            who_changes_is_restless_while_there_are_segments
        );
        $crate::contract_suite!(@module $engine, imports:
            imported_members_are_linked_by_name_or_address_and_the_rest_is_named
            who_becomes_known_joins_and_who_left_goes
            a_member_is_found_again_by_any_identifier_and_leaves_with_all_of_them
            an_identifier_that_goes_over_to_another_person_takes_nobody_off_who_has_more
            phones_link_plain_or_as_digests_and_a_shared_one_links_nobody
            an_attribute_that_the_source_has_emptied_is_cleared
        );
        $crate::contract_suite!(@module $engine, inbox:
            messages_wait_in_order_once_each
            messages_are_worked_off_with_their_events_once
            a_crash_keeps_every_message_that_was_acknowledged
        );
        $crate::contract_suite!(@module $engine, keeping:
            dropped_events_go_on_counting_without_properties
            rule_11_16_where_sees_what_is_kept_and_times_stay
            folded_visits_leave_counters_exact
            what_waits_or_is_young_is_not_folded
            the_catalogue_names_and_counts_and_shows_nobody
            a_store_tells_the_room_that_it_takes
        );
        $crate::contract_suite!(@module $engine, merging:
            two_profiles_of_one_person_become_one
            rule_11_11_of_two_open_entries_the_survivors_stays
            a_merge_outweighs_no_withdrawal_and_is_harmless_when_repeated
            what_an_audience_holds_of_two_is_one_members
            rule_11_3_what_waits_of_two_goes_in_the_order_of_the_asking
            who_is_under_way_is_merged_once_they_have_arrived
            who_was_merged_meanwhile_enters_as_the_survivor
            rule_11_13_of_two_words_the_newer_stays_also_through_a_merge
            only_what_is_nameless_is_merged_without_certainty
        );
        $crate::contract_suite!(@module $engine, notes:
            notes_are_appended_to_one_chain_with_their_documents
            a_crash_keeps_every_note
            a_deed_and_its_note_stand_or_fall_together
        );
        $crate::contract_suite!(@module $engine, lanes:
            rule_11_3_lane_order_is_commit_order
            peek_takes_nothing_and_knows_people_and_membership
            a_partial_seal_leaves_the_rest_in_order
            lane_states_are_durable_and_timers_count
            rule_11_9_time_held_does_not_flow
        );
        $crate::contract_suite!(@module $engine, slices:
            a_slice_lives_from_sealing_to_settlement
            rule_11_4_a_slice_is_immutable_and_comes_back_unchanged
            rule_11_4_sealing_needs_a_word_on_every_operation
            rule_11_12_a_slice_that_an_exit_or_a_stop_overtook_has_no_attempt_yet
            rule_11_4_removals_stay_before_adds_when_a_part_is_split
            rule_11_6_attempts_are_recorded_before_and_ended_once
            rule_11_6_an_attempt_without_an_end_may_have_landed
            rule_11_6_struck_people_stay_in_the_rows
            rule_11_6_an_exit_after_sealing_finishes_the_operation
            rule_11_8_doubtful_counts_stay_with_the_part
            a_repeated_settlement_does_nothing
            a_settlement_that_forgets_someone_is_refused
            a_crash_keeps_the_slice_and_its_attempt
            ended_parts_can_be_looked_at
            a_recheck_sees_people_as_they_are_now
        );
        $crate::contract_suite!(@module $engine, delivery:
            rule_11_3_removals_owed_to_consent_go_first_and_leave_receipts
            a_refused_removal_counts_once_until_another_answer_comes
            an_erased_person_leaves_receipts_alone
            a_refused_removal_is_owed_again
            a_call_under_way_is_owed_a_removal_too
            rule_11_8_a_correction_moves_both_counters
            rule_11_9_holds_by_people_stop_the_clock
            quotas_are_kept_with_the_attempt
            documents_and_exchanges_are_kept
        );
        $crate::contract_suite!(@module $engine, components:
            a_connectors_bytes_are_kept_once_by_their_digest
            a_sealed_text_replaces_only_the_one_that_was_read
        );
        $crate::contract_suite!(@module $engine, calling:
            calls_wait_are_put_off_and_end
            a_failed_call_is_made_again_and_moves_nobody
        );
        $crate::contract_suite!(@module $engine, claims:
            rule_11_17_claims_end_one_by_one
            a_takeback_finds_what_is_not_sent_yet
            a_shorter_age_of_renewal_counts_at_once
            members_are_renewed_once_per_acknowledgement
            a_refill_adds_whom_membership_holds
            rule_11_9_a_resend_waits_again_unless_something_newer_exists
            rule_11_2_rebinding_moves_unsealed_operations
            a_lane_that_is_given_up_gives_back_what_it_had_sealed
            people_who_rest_are_found_and_woken
        );
    };
    (@module $engine:expr, $module:ident: $($test:ident)*) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[test]
                fn $test() {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                    runtime.block_on($crate::contract_suite::$module::$test($engine));
                }
            )*
        }
    };
}

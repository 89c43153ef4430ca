//! Sealing: rules 11.4, 11.5, 11.6 and 11.15, and a naive oracle that applies operations one by one.
use caravan_journey::sealing::{
    Change, Decision, Facts, MembershipState, Op, Removal, Role, Wish, consent_verdict, decide,
    strike_between_attempts, tracking_denied,
};
use caravan_model::status::reason;
use caravan_model::{Action, Consent, Duration, Effect, Millis, Profile, Reason, Status};
use proptest::prelude::*;

fn op(person: u32, action: Action, seq: u64) -> Op {
    Op { person, wish: Wish::Be(action), step: Default::default(), seq, exited: false, owed: false }
}

/// Roles where no claim is ended or repeated.
fn coalesce(ops: &[Op], verdict: impl FnMut(usize) -> Result<(), Reason>) -> Vec<Role> {
    let claims = |_| unreachable!("nobody's claims count");
    let coalesced = caravan_journey::sealing::coalesce(ops, Millis(0), claims, verdict);
    assert!(coalesced.ended.is_empty());
    coalesced.roles
}

fn allow(_: usize) -> Result<(), Reason> {
    Ok(())
}

fn facts(membership: MembershipState) -> Facts {
    let recorded = matches!(membership, MembershipState::In | MembershipState::Maybe);
    Facts { membership, recorded, same_identifiers: recorded, ..Facts::default() }
}

const ADD: Decision = Decision::Send { remove: Removal::Nothing, add: true };

#[test]
fn rule_11_4_the_newest_wins_earlier_of_the_same_action_share_opposite_are_superseded() {
    use Action::{Add, Remove};
    let ops = [op(0, Add, 1), op(1, Add, 2), op(0, Remove, 3), op(0, Add, 4), op(1, Remove, 5)];
    let roles = coalesce(&ops, allow);
    assert_eq!(roles, [Role::SameAs(3), Role::Superseded, Role::Superseded, Role::Winner, Role::Winner]);
    let (status, why) = Role::Superseded.status().unwrap();
    assert_eq!((status, why.code.as_str()), (Status::Skipped, reason::SUPERSEDED));
}

#[test]
fn rule_11_4_newest_means_lane_order_wherever_a_first_in_line_removal_stands() {
    let owed = Op { owed: true, ..op(0, Action::Remove, 9) };
    assert_eq!(coalesce(&[owed, op(0, Action::Add, 5)], allow), [Role::Winner, Role::Superseded]);
}

#[test]
fn rule_11_4_an_add_that_consent_forbids_does_not_swallow_a_removal() {
    let ops = [op(0, Action::Remove, 1), op(0, Action::Add, 2)];
    let denied = Reason::new(reason::CONSENT_DENIED, "");
    let roles = coalesce(&ops, |at| if at == 1 { Err(denied.clone()) } else { Ok(()) });
    assert_eq!(roles, [Role::Winner, Role::Refused(denied)]);
}

#[test]
fn rule_11_4_an_exited_operation_is_withdrawn_an_owed_one_is_not() {
    let gone = |op| Op { exited: true, ..op };
    let owed = Op { owed: true, exited: true, ..op(1, Action::Remove, 3) };
    let ops = [op(0, Action::Add, 1), gone(op(0, Action::Remove, 2)), owed];
    assert_eq!(coalesce(&ops, allow), [Role::Winner, Role::Exited, Role::Winner]);
    assert_eq!(Role::Exited.status().unwrap().0, Status::Exited);
}

#[test]
fn rule_11_5_a_repeat_of_what_membership_holds_is_unchanged_until_the_renewal_age() {
    let young = Facts { age: Duration::DAY, renewal: Some(Duration::DAY.times(2)), ..facts(MembershipState::In) };
    assert_eq!(decide(Action::Add, &young), Decision::Unchanged);
    let old = Facts { age: Duration::DAY.times(2), ..young.clone() };
    assert_eq!(decide(Action::Add, &old), ADD);
    let for_ever = Facts { renewal: None, age: Duration::DAY.times(9_999), ..young };
    assert_eq!(decide(Action::Add, &for_ever), Decision::Unchanged);
}

#[test]
fn rule_11_5_changed_identifiers_remove_the_old_set_and_add_the_new() {
    for membership in [MembershipState::In, MembershipState::Maybe] {
        let changed = Facts { same_identifiers: false, ..facts(membership) };
        assert_eq!(decide(Action::Add, &changed), Decision::Send { remove: Removal::Recorded, add: true });
    }
}

#[test]
fn rule_11_5_add_on_out_unknown_or_maybe_is_sent() {
    for membership in [MembershipState::Out, MembershipState::Unknown, MembershipState::Maybe] {
        assert_eq!(decide(Action::Add, &facts(membership)), ADD, "{membership:?}");
    }
}

#[test]
fn rule_11_5_remove_on_unknown_is_sent() {
    let unknown = facts(MembershipState::Unknown);
    assert_eq!(decide(Action::Remove, &unknown), Decision::Send { remove: Removal::Today, add: false });
    let nobody = Reason::new(reason::NO_IDENTIFIER, "");
    let unusable = Facts { unusable: Some(nobody.clone()), ..unknown };
    assert_eq!(decide(Action::Remove, &unusable), Decision::Skipped(nobody));
}

#[test]
fn rule_11_5_remove_sends_the_recorded_sets_and_not_todays_profile() {
    let erased = Some(Reason::new(reason::ERASED, ""));
    for membership in [MembershipState::In, MembershipState::Maybe] {
        for unusable in [None, erased.clone()] {
            let facts = Facts { same_identifiers: false, unusable, ..facts(membership) };
            assert_eq!(decide(Action::Remove, &facts), Decision::Send { remove: Removal::Recorded, add: false });
        }
    }
}

#[test]
fn rule_11_5_remove_on_out_is_unchanged() {
    assert_eq!(decide(Action::Remove, &facts(MembershipState::Out)), Decision::Unchanged);
}

#[test]
fn an_add_without_usable_identifiers_is_skipped_with_the_reason() {
    let nobody = Reason::new(reason::NO_IDENTIFIER, "");
    let facts = Facts { unusable: Some(nobody.clone()), ..facts(MembershipState::Unknown) };
    assert_eq!(decide(Action::Add, &facts), Decision::Skipped(nobody));
}

#[test]
fn rule_11_15_denied_and_do_not_sell_block_unknown_only_where_demanded() {
    let with = |consent: Option<Consent>, sell: Option<bool>| {
        let mut profile = Profile { do_not_sell_or_share: sell, ..Profile::default() };
        profile.consents.extend(consent.map(|consent| ("advertising".to_owned(), consent)));
        profile
    };
    let code =
        |profile: &Profile, demanded| consent_verdict(profile, "advertising", demanded).err().map(|why| why.code);
    assert_eq!(code(&with(None, None), false), None);
    assert_eq!(code(&with(None, None), true).as_deref(), Some(reason::CONSENT_UNKNOWN));
    assert_eq!(code(&with(Some(Consent::Granted), Some(false)), true), None);
    assert_eq!(code(&with(Some(Consent::Denied), None), false).as_deref(), Some(reason::CONSENT_DENIED));
    assert_eq!(code(&with(Some(Consent::Granted), Some(true)), false).as_deref(), Some(reason::DO_NOT_SELL));
    let other = consent_verdict(&with(Some(Consent::Denied), None), "email", false);
    assert_eq!(other, Ok(()), "another purpose");
}

#[test]
fn rule_11_15_device_ids_leave_unless_tracking_is_denied_or_only_where_it_is_granted_if_demanded() {
    let withheld = |enabled: Option<bool>, demanded| {
        tracking_denied(&Profile { ad_tracking_enabled: enabled, ..Profile::default() }, demanded)
    };
    assert_eq!([Some(true), None, Some(false)].map(|enabled| withheld(enabled, false)), [false, false, true]);
    assert_eq!([Some(true), None, Some(false)].map(|enabled| withheld(enabled, true)), [false, true, true]);
}

#[test]
fn rule_11_6_consent_strikes_always_and_an_exit_only_while_nothing_may_have_landed() {
    let struck = |action, change, effect| {
        strike_between_attempts(action, change, effect).map(|struck| (struck.status, struck.removal_follows))
    };
    for change in [Change::ConsentWithdrawn, Change::ConsentUnknown, Change::Erased] {
        assert_eq!(struck(Action::Add, change, Effect::None), Some((Status::Skipped, false)));
        assert_eq!(struck(Action::Add, change, Effect::MayHaveLanded), Some((Status::Skipped, true)));
        assert_eq!(struck(Action::Remove, change, Effect::MayHaveLanded), None, "a removal is what they want");
    }
    assert_eq!(struck(Action::Add, Change::Exited, Effect::None), Some((Status::Exited, false)));
    assert_eq!(struck(Action::Add, Change::Exited, Effect::MayHaveLanded), None);
}

/// A person at a model partner: which identifier sets stand there, and what we know of it.
#[derive(Clone, Debug, Default, PartialEq)]
struct World {
    at_partner: std::collections::BTreeSet<u8>,
    state: MembershipState,
    recorded: Vec<u8>,
}

impl World {
    /// Decides on one operation with today's identifiers and carries it out, removals before adds.
    fn apply(&mut self, action: Action, today: u8) {
        let facts = Facts {
            membership: self.state,
            recorded: !self.recorded.is_empty(),
            same_identifiers: self.recorded == [today],
            ..Facts::default()
        };
        let Decision::Send { remove, add } = decide(action, &facts) else { return };
        match remove {
            Removal::Nothing => {}
            Removal::Recorded => self.recorded.drain(..).for_each(|set| {
                self.at_partner.remove(&set);
            }),
            Removal::Today => {
                self.at_partner.remove(&today);
            }
        }
        self.state = MembershipState::Out;
        if add {
            self.at_partner.insert(today);
            if !self.recorded.contains(&today) {
                self.recorded.push(today);
            }
            self.state = MembershipState::In;
        }
    }
}

fn world() -> impl Strategy<Value = World> {
    prop_oneof![
        Just(World::default()),
        // Someone else put today's identifiers there.
        Just(World { at_partner: [7].into(), ..World::default() }),
        Just(World { state: MembershipState::Out, ..World::default() }),
        Just(World { at_partner: [7].into(), state: MembershipState::In, recorded: vec![7] }),
        Just(World { at_partner: [3].into(), state: MembershipState::In, recorded: vec![3] }),
        Just(World { at_partner: [3].into(), state: MembershipState::Maybe, recorded: vec![3, 5] }),
        Just(World { at_partner: [].into(), state: MembershipState::Maybe, recorded: vec![7] }),
    ]
}

/// Person, add?, consent given?, exited?, owed?
type RawOp = (u32, bool, bool, bool, bool);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn coalescing_ends_where_one_by_one_ends(
        raw in proptest::collection::vec((0u32..4, any::<bool>(), proptest::bool::weighted(0.7), proptest::bool::weighted(0.2), proptest::bool::weighted(0.1)), 0..24),
        before in proptest::collection::vec(world(), 4),
    ) {
        let raw: Vec<RawOp> = raw;
        let today = 7u8;
        let ops: Vec<Op> = raw.iter().zip(0u64..).map(|(&(person, add, _, exited, owed), seq)| Op {
            person,
            wish: Wish::Be(if add && !owed { Action::Add } else { Action::Remove }),
            step: Default::default(),
            seq,
            exited,
            owed,
        }).collect();
        let can_be_done = |at: usize| ops[at].wish == Wish::Be(Action::Remove) || raw[at].2;
        let roles = coalesce(&ops, |at| if can_be_done(at) { Ok(()) } else { Err(Reason::new(reason::CONSENT_DENIED, "")) });

        let mut one_by_one = before.clone();
        for (at, op) in ops.iter().enumerate() {
            if can_be_done(at) && (!op.exited || op.owed) {
                one_by_one[op.person as usize].apply(op.wish.action(), today);
            }
        }
        let mut coalesced = before.clone();
        for (op, role) in ops.iter().zip(&roles) {
            if *role == Role::Winner {
                coalesced[op.person as usize].apply(op.wish.action(), today);
            }
        }
        for (person, (naive, ours)) in one_by_one.iter().zip(&coalesced).enumerate() {
            // A removal that needs no call (`out`) may leave more knowledge behind one by one, never other members.
            prop_assert_eq!(&naive.at_partner, &ours.at_partner, "person {}: {:?}", person, roles);
        }

        // Everyone is accounted for: each role leads to exactly one status, through at most one winner per person.
        for person in 0..4 {
            let winners = ops.iter().zip(&roles).filter(|(op, role)| op.person == person && **role == Role::Winner).count();
            prop_assert!(winners <= 1);
        }
        for (at, role) in roles.iter().enumerate() {
            if let Role::SameAs(winner) = role {
                prop_assert_eq!(&roles[*winner], &Role::Winner);
                prop_assert_eq!((ops[*winner].person, ops[*winner].wish), (ops[at].person, ops[at].wish));
                prop_assert!(ops[*winner].seq > ops[at].seq);
            }
        }
    }
}

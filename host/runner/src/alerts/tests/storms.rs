//! Whatever happens: no storm, every opening mended once, told in time, and a restart changes nothing.
use super::*;
use caravan_model::Severity;
use proptest::prelude::*;

const CODES: [&str; 4] = ["held-terms", "held-unauthorized", "held-audience-full", "held-stopped"];

fn two() -> Vec<Subscription> {
    let critical = r#"{"id": "night", "at_least": "critical", "to": {"slack": {"url": {"env": "HOOK"}}}}"#;
    vec![everything(), subscription(critical)]
}

/// A change of the world: after how many ticks, which queue, and how it stands then: flowing, held, late.
type Turn = (u8, i64, u8);

fn turns(longest: usize) -> impl Strategy<Value = Vec<Turn>> {
    proptest::collection::vec((0_u8..40, 0_i64..5, 0_u8..7), 1..longest)
}

/// Puts a queue into one of seven states.
fn turn(world: &mut World, queue: i64, state: u8) {
    world.seen.lanes.retain(|seen| seen.lane != LaneId(queue));
    let seen = match state {
        0 | 1 => lane(queue),
        2 => LaneSeen { oldest: Some(world.now.before(Duration::MINUTE.times(11))), waiting: 4, ..lane(queue) },
        other => held(queue, CODES[usize::from(other) % CODES.len()], world.now),
    };
    world.seen.lanes.push(seen);
}

fn play(world: &mut World, turns: &[Turn]) {
    for (ticks, queue, state) in turns {
        turn(world, *queue, *state);
        world.run(TICK.times(u64::from(*ticks)));
    }
}

/// Everything is mended, and all that is held back gets its time.
fn calm(world: &mut World) {
    world.seen = Observation::default();
    world.run(Duration::HOUR.times(3));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_flaps_makes_a_storm_and_every_opening_is_mended_once(turns in turns(300)) {
        let mut world = World::new(two());
        play(&mut world, &turns);
        assert_no_storm(&world);
        assert_told_in_turns(&world);
        calm(&mut world);
        assert_no_storm(&world);
        prop_assert!(assert_told_in_turns(&world).is_empty());
        prop_assert_eq!(world.documents().0, 0, "all alerts are forgotten");
    }

    #[test]
    fn a_restart_forgets_nothing_and_repeats_nothing(turns in turns(80)) {
        let (mut steady, mut shaky) = (World::new(two()), World::new(two()));
        shaky.restarts = true;
        for world in [&mut steady, &mut shaky] {
            play(world, &turns);
            calm(world);
        }
        let told = |world: &World| -> Vec<_> {
            world.sent.iter().map(|(at, notice)| (*at, notice.id.clone(), notice.alerts.clone())).collect()
        };
        prop_assert_eq!(told(&steady), told(&shaky));
    }

    #[test]
    fn an_outage_of_the_channel_makes_no_storm_when_it_ends(turns in turns(80), outages in proptest::collection::vec(any::<bool>(), 80)) {
        let mut world = World::new(two());
        for (turn, outage) in turns.iter().zip(outages) {
            world.outcome = if outage { Err(SendError::later("down")) } else { Ok(()) };
            play(&mut world, std::slice::from_ref(turn));
        }
        world.outcome = Ok(());
        calm(&mut world);
        assert_no_storm(&world);
        prop_assert!(assert_told_in_turns(&world).is_empty());
    }

    #[test]
    fn a_cause_is_told_within_a_minute_whatever_else_happens(
        others in proptest::collection::vec((0_u64..600, 0_usize..4), 0..10),
        start in 0_u64..600,
        code in 0_usize..4,
    ) {
        let mut world = World::new(vec![everything()]);
        let (began, mut told) = (world.now.after(Duration::SECOND.times(start)), None);
        for second in 0..700 {
            let now = Millis(1_700_000_000_000).after(Duration::SECOND.times(second));
            let here = others.iter().enumerate().filter(|(_, (at, _))| *at <= second);
            world.seen.lanes =
                here.map(|(id, (at, code))| held(i64::try_from(id).unwrap(), CODES[*code], now.before(Duration(*at)))).collect();
            if now >= began {
                world.seen.lanes.push(held(77, CODES[code], began));
            }
            // Looked at every five seconds.
            if second % 5 == 0 {
                world.tick();
            }
            let mine = |notice: &Notice| notice.alerts.iter().any(|(_, key)| key.subject == "queue-77");
            if told.is_none() {
                told = world.sent.iter().find(|(_, notice)| mine(notice)).map(|(at, _)| *at);
            }
        }
        let told = told.expect("it is told");
        prop_assert!(told.since(began) <= Duration::MINUTE, "{told:?} after {began:?}");
    }

    #[test]
    fn in_a_storm_of_warnings_what_is_newly_critical_is_told_within_a_minute(turns in turns(200)) {
        let mut world = World::new(vec![everything()]);
        // Warnings only, as wild as may be.
        for (ticks, queue, state) in &turns {
            let state = if *state > 2 { 4 } else { *state };
            turn(&mut world, *queue, state);
            world.run(TICK.times(u64::from(*ticks)));
        }
        world.take();
        let mut token = TokenSeen { connection: "acme-meta".into(), places: vec![], ends: world.now };
        token.ends = world.now.after(Duration::HOUR);
        world.seen.tokens.push(token);
        world.run(Duration::MINUTE);
        let told = world.sent.iter().any(|(_, notice)| {
            notice.severity == Severity::Critical && notice.alerts.iter().any(|(_, key)| key.subject == "acme-meta")
        });
        prop_assert!(told);
    }
}

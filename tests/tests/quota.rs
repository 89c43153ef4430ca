//! Calls keep to what the partner allows, in steady state, at the lab with the partner's true limits.
use caravan_tests::steady;

#[test]
fn many_queues_of_one_app_are_never_refused_as_too_many() {
    let steady = steady::tiktok(100).expect("a run");
    assert!(steady.calls >= 100, "each queue is called: {steady:?}");
    assert_eq!(steady.throttled, 0, "{steady:?}");
    println!("{:.2} of the quota used: {steady:?}", steady.share());
}

use super::*;
use caravan_model::{Action, Effect, Millis, Part, Target};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A version that answers as told, and counts its batches.
struct Version {
    manifest: Manifest,
    digest: Digest,
    settings: Map<String, Value>,
    fault: Mutex<Option<Fault>>,
    calls: AtomicU32,
    slow: Duration,
}

impl Version {
    fn new(name: &str) -> Arc<Version> {
        Version::slow(name, Duration::ZERO)
    }

    fn slow(name: &str, slow: Duration) -> Arc<Version> {
        Arc::new(Version {
            manifest: serde_json::from_str(include_str!("../../../../guest-steps/template/manifest.json")).unwrap(),
            digest: Digest::of(name.as_bytes()),
            settings: Map::new(),
            fault: Mutex::default(),
            calls: AtomicU32::new(0),
            slow,
        })
    }

    fn with(self: &Arc<Self>, fault: Fault) -> Arc<Self> {
        *self.fault.lock().unwrap() = Some(fault);
        self.clone()
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Connector for Version {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn digest(&self) -> Digest {
        self.digest
    }

    fn settings(&self) -> &Map<String, Value> {
        &self.settings
    }

    fn call<'a>(&'a self, _: CallContext, ask: Ask) -> BoxFuture<'a, CallOutcome> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(self.slow).await;
            let Ask::Sync { part, .. } = ask else { panic!("only sync is asked") };
            let report = match &*self.fault.lock().unwrap() {
                Some(fault) => Report::fault(fault.clone()),
                None => Report { settled: vec![(0, part.rows)], ..Report::default() },
            };
            let (requests, usage, log) = (Vec::new(), Vec::new(), Vec::new());
            CallOutcome { answer: Ok(Answer::Report(report)), effect: Effect::MayHaveLanded, requests, usage, log }
        })
    }
}

fn ask() -> (CallContext, Ask) {
    let part = Part {
        id: "p".into(),
        action: Action::Add,
        group: "people".into(),
        rows: 1,
        person_ends: vec![1],
        columns: Vec::new(),
        flags: Vec::new(),
    };
    let deadline = Duration::from_secs(60);
    let context = CallContext { at: Millis(0), seed: "p".into(), deadline, record_bodies: false };
    (context, Ask::Sync { target: Target::default(), part: Arc::new(part) })
}

async fn batch(switch: &Switch) -> Option<&'static str> {
    let (context, ask) = ask();
    let outcome = switch.call(context, ask).await;
    assert_eq!(outcome.effect, Effect::MayHaveLanded, "what may have landed is never forgotten");
    super::fault(&outcome).map(Fault::class)
}

fn bug() -> Fault {
    Fault::Bug { cause: Cause::new("trap", "it crashed") }
}

#[tokio::test]
async fn a_good_version_takes_over_after_its_first_batch() {
    let (old, new) = (Version::new("old"), Version::new("new"));
    let switch = Switch::new(old.clone());
    assert_eq!(batch(&switch).await, None);
    switch.try_version(new.clone()).unwrap();
    assert_eq!(switch.in_use(), old.digest);
    for _ in 0..3 {
        assert_eq!(batch(&switch).await, None);
    }
    assert_eq!((old.calls(), new.calls(), switch.in_use()), (1, 3, new.digest));
    assert_eq!(switch.changes(), [Change::OnTrial(new.digest), Change::Promoted(new.digest)]);
}

#[tokio::test]
async fn a_bad_version_is_rolled_back_before_its_second_batch() {
    let stopped = |code: Code| Fault::Stopped { cause: Cause::new(code.as_str(), "too much") };
    let misconfigured = Fault::Misconfigured { cause: Cause::new("x", "wrong") };
    for fault in [bug(), misconfigured, stopped(Code::LimitBreached), stopped(Code::Denied)] {
        let (old, bad) = (Version::new("old"), Version::new("bad").with(fault));
        let switch = Switch::new(old.clone());
        switch.try_version(bad.clone()).unwrap();
        // The batch waits, is not lost, and goes by the old version at once.
        assert_eq!(batch(&switch).await, Some("unavailable"));
        for _ in 0..3 {
            assert_eq!(batch(&switch).await, None);
        }
        assert_eq!((bad.calls(), old.calls(), switch.in_use()), (1, 3, old.digest));
        assert!(
            matches!(&switch.changes()[..], [Change::OnTrial(_), Change::RolledBack { to, .. }] if *to == old.digest)
        );
    }
}

#[tokio::test]
async fn while_a_version_is_tried_one_batch_at_a_time_goes_through_it() {
    let old = Version::new("old");
    let bad = Version::slow("bad", Duration::from_millis(200)).with(bug());
    let switch = Switch::new(old.clone());
    switch.try_version(bad.clone()).unwrap();
    let (first, second, third) = tokio::join!(batch(&switch), batch(&switch), batch(&switch));
    assert_eq!((first, second, third), (Some("unavailable"), None, None));
    assert_eq!((bad.calls(), old.calls()), (1, 2));
}

#[tokio::test]
async fn a_partners_outage_rolls_nothing_back() {
    let cause = || Cause::new("503", "the partner is away");
    for fault in [
        Fault::Unavailable { after_ms: None, cause: cause() },
        Fault::Throttled { after_ms: None, cause: cause() },
        Fault::Unauthorized { cause: cause() },
        Fault::Stopped { cause: Cause::new(Code::UnknownAccount.as_str(), "no such account") },
    ] {
        let (old, new) = (Version::new("old"), Version::new("new").with(fault));
        let switch = Switch::new(old.clone());
        switch.try_version(new.clone()).unwrap();
        for _ in 0..5 {
            assert!(batch(&switch).await.is_some_and(|class| class != "bug"));
        }
        assert_eq!(new.calls(), 5, "it stays on trial: nothing is known of it yet");
        *new.fault.lock().unwrap() = None;
        assert_eq!((batch(&switch).await, switch.in_use()), (None, new.digest));
        // Nor does an outage later on.
        let outage = Fault::Unavailable { after_ms: None, cause: cause() };
        new.with(outage);
        assert_eq!((batch(&switch).await, switch.in_use()), (Some("unavailable"), new.digest));
    }
}

#[tokio::test]
async fn a_promoted_version_that_breaks_later_goes_back_too_and_a_person_can_send_it_back() {
    let (old, new) = (Version::new("old"), Version::new("new"));
    let switch = Switch::new(old.clone());
    switch.try_version(new.clone()).unwrap();
    assert_eq!(batch(&switch).await, None);
    new.with(bug());
    assert_eq!((batch(&switch).await, switch.in_use()), (Some("unavailable"), old.digest));
    assert!(!switch.roll_back("again"), "there is nothing before the old one");
    let newer = Version::new("newer");
    switch.try_version(newer.clone()).unwrap();
    assert_eq!((batch(&switch).await, switch.in_use()), (None, newer.digest));
    assert!(switch.roll_back("a person asked"));
    assert_eq!(switch.in_use(), old.digest);
}

#[tokio::test]
async fn a_call_that_is_dropped_lets_the_next_batch_try() {
    let (old, new) = (Version::new("old"), Version::slow("new", Duration::from_secs(30)));
    let switch = Switch::new(old.clone());
    switch.try_version(new.clone()).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), batch(&switch)).await.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(50), batch(&switch)).await.is_err());
    assert_eq!((old.calls(), new.calls()), (0, 2));
}

#[test]
fn a_version_of_another_shape_waits_for_the_next_run() {
    let switch = Switch::new(Version::new("old"));
    let mut other = Arc::into_inner(Version::new("other")).unwrap();
    other.manifest.batch.rows += 1;
    let problem = switch.try_version(Arc::new(other)).unwrap_err();
    assert!(problem.message.contains("batches differ"), "{problem}");
}

#[tokio::test]
async fn of_slices_that_are_sealed_at_the_same_instant_one_tries_the_version_and_each_names_what_carries_it() {
    let (old, new) = (Version::new("old"), Version::new("new"));
    let switch = Switch::new(old.clone());
    switch.try_version(new.clone()).unwrap();
    let slices: Vec<_> = (0..3).map(|_| switch.version_for(None).unwrap()).collect();
    assert_eq!(slices.iter().map(|slice| slice.digest()).collect::<Vec<_>>(), [new.digest, old.digest, old.digest]);
    for (slice, calls) in slices.iter().rev().zip([(1, 0), (2, 0), (2, 1)]) {
        let (context, ask) = ask();
        slice.call(context, ask).await;
        assert_eq!((old.calls(), new.calls()), calls);
    }
    assert_eq!(switch.in_use(), new.digest);
}

#[tokio::test]
async fn a_slice_that_is_taken_up_again_goes_by_the_version_that_it_names_or_by_the_one_in_use() {
    let (old, new) = (Version::new("old"), Version::new("new"));
    let switch = Switch::new(old.clone());
    switch.try_version(new.clone()).unwrap();
    let of = |sealed: Option<Digest>| switch.version_for(sealed).unwrap().digest();
    // What was sealed by the old version does not try the new one; what was sealed on trial does.
    assert_eq!((of(Some(old.digest)), of(Some(new.digest)), of(None)), (old.digest, new.digest, new.digest));
    let trying = switch.version_for(Some(new.digest)).unwrap();
    assert_eq!(of(Some(new.digest)), old.digest, "it is with another slice");
    drop(trying);
    assert_eq!(of(Some(new.digest)), new.digest);
}

#[tokio::test]
async fn further_parts_of_a_slice_whose_version_was_taken_back_go_by_the_one_in_use() {
    let (old, bad) = (Version::new("old"), Version::new("bad").with(bug()));
    let switch = Switch::new(old.clone());
    switch.try_version(bad.clone()).unwrap();
    let slice = switch.version_for(None).unwrap();
    for calls in [(0, 1), (1, 1), (2, 1)] {
        let (context, ask) = ask();
        slice.call(context, ask).await;
        assert_eq!((old.calls(), bad.calls()), calls);
    }
}

//! Since when a lane's open slice has been there: the lanes' own numbers tell only of what is not sealed yet.
use super::AlertPolicy;
use caravan_model::{Duration, LaneId, Millis};
use caravan_store::{Lane, LaneState, Store};
use std::collections::HashMap;

/// So many slices are read at one look at most: each holds all its people.
const READS: usize = 8;
/// A lane that moves is read again after so long.
const AGAIN: Duration = Duration::MINUTE;

/// Lanes with an open slice.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    open: HashMap<LaneId, Sealed>,
    begun: bool,
}

#[derive(Debug)]
struct Sealed {
    /// Since when, as far as it is known.
    since: Millis,
    /// How the lane stood when its slice was last read, and when that was.
    read: Option<(Millis, Mark)>,
    /// Nothing is known of it: it was there before us.
    older: bool,
}

/// A lane that stands like this has not moved.
#[derive(Debug, PartialEq)]
struct Mark {
    waiting: u64,
    sealed: u64,
    state: LaneState,
}

impl Stuck {
    /// Looks at all lanes. A slice is read only where it may be late, or was there before this process.
    pub(super) async fn look<S: Store>(
        &mut self,
        store: &S,
        lanes: &[Lane],
        now: Millis,
        policy: &AlertPolicy,
    ) -> crate::Result<()> {
        let older = !std::mem::replace(&mut self.begun, true);
        let mut reads = 0;
        self.open.retain(|id, _| lanes.iter().any(|lane| lane.id == *id && lane.sealed > 0));
        for lane in lanes.iter().filter(|lane| lane.sealed > 0) {
            let known = self.open.entry(lane.id).or_insert(Sealed { since: now, read: None, older });
            let mark = Mark { waiting: lane.waiting, sealed: lane.sealed, state: lane.state.clone() };
            let doubtful = match &known.read {
                None => known.older || now.since(known.since) >= policy.late_warning,
                Some((at, read)) => {
                    *read != mark && now.since(*at) >= AGAIN && now.since(known.since) >= policy.late_warning
                }
            };
            if !doubtful || reads >= READS {
                continue;
            }
            reads += 1;
            match store.open_slice(lane.id).await? {
                Some(slice) => (known.since, known.read) = (slice.at, Some((now, mark))),
                // It has ended meanwhile; the next one begins anew.
                None => *known = Sealed { since: now, read: None, older: false },
            }
        }
        Ok(())
    }

    /// Since when a lane's open slice has been there.
    pub(super) fn since(&self, lane: LaneId) -> Option<Millis> {
        self.open.get(&lane).map(|sealed| sealed.since)
    }
}

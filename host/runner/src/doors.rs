//! The doors of canvases. Whether people may enter or move on is decided on how a canvas stands, and the store keeps what
//! was decided only while it stands so still: nobody is let in behind somebody who pauses or stops it (design, 11.12).
use crate::control::{CanvasState, CanvasStates};
use crate::shared::Shared;
use caravan_journey::plan::CompiledCanvas;
use caravan_model::status::reason;
use caravan_model::{CanvasId, Duration, Millis, ProfileId, Reason, StepIx, VersionId};
use caravan_store::{DocumentKind, EnterBatch, Entered, Error, Lease, Origin, Queued, Store, Version};

/// Lets people in; `None`, and nothing is done, where the canvas admits nobody (any more).
pub(crate) async fn enter<S: Store>(
    shared: &Shared<S>,
    canvas: &CanvasId,
    mut batch: EnterBatch,
) -> crate::Result<Option<Entered>> {
    loop {
        let states = shared.canvases().await?;
        if !states.of(canvas.as_str()).admits() {
            return Ok(None);
        }
        batch.seen = states.seen();
        match shared.store.enter(shared.lease, batch.clone()).await {
            Err(Error::Overtaken) => continue,
            entered => return Ok(Some(entered?)),
        }
    }
}

/// Lets everyone out of these versions of a stopped canvas, until nobody is inside or `goes_on` says no; people move from
/// one version to the other meanwhile. Calls of endpoints that are to be made again for those who had gone on are withdrawn.
/// Gives how many left.
pub(crate) async fn let_everyone_out<S: Store>(
    store: &S,
    lease: Lease,
    versions: &[Version],
    limit: usize,
    now: impl Fn() -> Millis,
    goes_on: impl Fn() -> bool,
) -> crate::Result<u64> {
    let mut left = 0;
    loop {
        let before = left;
        for version in versions.iter().map(|version| version.id) {
            let mut after = ProfileId(0);
            while goes_on() {
                let inside = store.inside(version, after, limit.max(1)).await?;
                let Some(last) = inside.last().copied() else { break };
                left += store.signal_exit(lease, version, inside, stopped(), now()).await?;
                after = last;
            }
        }
        if left == before {
            break;
        }
    }
    for version in versions {
        let plan = CompiledCanvas::new(&version.canvas)?;
        let steps: Vec<(VersionId, StepIx)> = plan.webhooks().map(|(at, _)| (version.id, at)).collect();
        let mut before = Vec::new();
        while goes_on() && !steps.is_empty() {
            // Whenever they are due: nobody is inside, so that what is found is sent again.
            let calls = store.calls(steps.clone(), Millis::NEVER.before(Duration(1)), limit.max(1)).await?;
            let again: Vec<ProfileId> = calls.iter().filter(|call| call.again).map(|call| call.profile).collect();
            if again == before {
                break;
            }
            store.signal_exit(lease, version.id, again.clone(), stopped(), now()).await?;
            before = again;
        }
    }
    Ok(left)
}

fn stopped() -> Reason {
    Reason::new(reason::EXITED, "the canvas was stopped")
}

/// Finishes what a stop left undone whose process died meanwhile; gives how many left.
pub(crate) async fn sweep<S: Store>(shared: &Shared<S>) -> crate::Result<u64> {
    let documents = shared.documents(DocumentKind::Canvas).await?;
    if documents.is_empty() || shared.is_swept(&documents) {
        return Ok(0);
    }
    // Nobody opens the canvas meanwhile: who enters anew is not let out.
    let _alone = shared.stops.lock().await;
    let documents = shared.documents(DocumentKind::Canvas).await?;
    let states = CanvasStates::read(&documents)?;
    let is_stopped = |canvas: &CanvasId| states.of(canvas.as_str()) == CanvasState::Stopped;
    let versions = shared.store.versions().await?;
    let stopped: Vec<Version> = versions.into_iter().filter(|one| is_stopped(&one.canvas.canvas)).collect();
    let limit = shared.options.chunk;
    let left =
        let_everyone_out(&shared.store, shared.lease, &stopped, limit, || shared.now(), || !shared.is_stopping())
            .await?;
    if !shared.is_stopping() {
        shared.swept(documents);
    }
    Ok(left)
}

/// Withdraws what visits of stopped canvases ask for, also those whose entry had ended by itself: such as still wait for their
/// answer leave with the sweep.
pub(crate) fn withdraw<S: Store>(shared: &Shared<S>, canvases: &CanvasStates, queued: &mut [Queued]) {
    let is_stopped = |version| {
        let route = shared.route(version);
        route.is_some_and(|route| canvases.of(route.canvas.as_str()) == CanvasState::Stopped)
    };
    for operation in queued.iter_mut().filter(|one| one.origin == Origin::Visit && !one.parks) {
        operation.exited |= is_stopped(operation.step.0);
    }
}

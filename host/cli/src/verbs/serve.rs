//! `caravan serve`: takes events in over HTTP, moves people on and delivers, until it is asked to stop.
use crate::args::{Global, ServeArgs};
use crate::check::{self, CheckedConnections, Secrets};
use crate::fail::{End, Problems, usage};
use crate::host::hands::actor;
use crate::host::{Host, alerts, connections_in_use, lab};
use crate::verbs::tell_opposites;
use crate::{out, policies, stop, stores};
use caravan_api::{Server, ServerOptions, WriteKeys};
use caravan_model::port::SystemClock;
use caravan_model::{Canvas, Code, Problem};
use caravan_runner::{Runner, RunnerOptions};
use caravan_store::{OpenOptions, Sqlite, Store};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The variable that holds write keys.
const KEYS: &str = "CARAVAN_WRITE_KEYS";
/// The store where none is named.
const STORE: &str = "workspace.caravan";

/// Serves until it is asked to stop.
pub async fn serve(global: &Global, args: &ServeArgs) -> anyhow::Result<End> {
    let keys = write_keys(args)?;
    let canvases = canvases(global, args).await?;
    let path = stores::named(global)?.unwrap_or_else(|| PathBuf::from(STORE));
    // Bound before the store is taken: an address in use is said before anything is done.
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Problem::new(Code::Usage, format!("cannot listen on {}: {error}", args.listen))
            .cure("name another address: --listen 127.0.0.1:0 takes a free port")
    })?;
    let store = Sqlite::open(&path, OpenOptions::default())?;
    let checked = connections(args, &canvases, &store).await?;
    let lab = lab::of_connections(&checked.connections.value, checked.components.keys(), args.lab.as_deref()).await?;
    let host = Host::bind(&checked.connections, &checked.components, lab.as_ref())?;
    if let Some(lab) = &lab {
        lab.adopt_all(&store.audiences().await?);
    }
    let options = RunnerOptions { alerts: alerts::of_run(&store, &host).await?, ..RunnerOptions::default() };
    let runner = Arc::new(Runner::new(store, Arc::new(host), Arc::new(SystemClock), options));
    let cancel = stop::listen(global.quiet);
    let served = go(global, &runner, canvases, &checked, listener, keys, cancel).await;
    // The next owner need not wait for the lease to run out.
    if let Ok(runner) = Arc::try_unwrap(runner) {
        runner.close().await?;
    }
    served
}

async fn go(
    global: &Global,
    runner: &Arc<Runner<Sqlite>>,
    canvases: Vec<Canvas>,
    checked: &CheckedConnections,
    listener: TcpListener,
    keys: WriteKeys,
    cancel: watch::Receiver<bool>,
) -> anyhow::Result<End> {
    for canvas in canvases {
        let version = runner.acting(actor()).publish(canvas, &checked.connections.value).await?;
        tell_opposites(runner, &version).await?;
        if !global.quiet {
            eprintln!("{} is live, version {}", version.canvas.canvas, version.number);
        }
    }
    let address = format!("http://{}", listener.local_addr()?);
    if global.json {
        out::print(&format!("{}\n", json!({"listen": address})))?;
    } else {
        out::print(&format!("Serving at {address}: events at /v1, metrics at /metrics. Ctrl-C stops.\n"))?;
    }
    let server = Server::new(runner.clone(), ServerOptions { write_keys: keys, ..ServerOptions::default() });
    let (tell, _) = watch::channel(caravan_runner::Progress::default());
    let (fail, mut failed) = watch::channel(false);
    let mut asked = cancel.clone();
    let leave = async move {
        tokio::select! {
            _ = asked.wait_for(|asked| *asked) => {}
            _ = failed.wait_for(|failed| *failed) => {}
        }
    };
    let http = tokio::spawn(server.run(listener, leave));
    let end = runner.serve(tell, cancel).await;
    fail.send_replace(true);
    http.await??;
    end?;
    Ok(End::Done)
}

/// The keys of those who may send events.
fn write_keys(args: &ServeArgs) -> anyhow::Result<WriteKeys> {
    let text = match &args.write_keys {
        Some(file) => std::fs::read_to_string(file).map_err(|error| {
            Problem::new(Code::UnreadableFile, format!("the write keys cannot be read: {error}"))
                .in_file(file.display().to_string())
        })?,
        None => std::env::var(KEYS).unwrap_or_default(),
    };
    let keys = WriteKeys::new(text.split(['\n', ',']));
    if keys.is_empty() {
        let cure = format!("set {KEYS}, or name a file by --write-keys; `openssl rand -hex 16` makes a good key");
        return Err(usage("there is no write key: nobody could send events", cure).into());
    }
    Ok(keys)
}

/// The canvases without a fault, each under the policy that holds.
async fn canvases(global: &Global, args: &ServeArgs) -> anyhow::Result<Vec<Canvas>> {
    let (mut canvases, mut problems) = (Vec::new(), Vec::new());
    for path in &args.canvases {
        let policy = policies::holding(global, None, path).await.unwrap_or_default();
        match check::canvas_with_connections(path, &args.connections, &policy, Secrets::Ask) {
            Ok(checked) => canvases.push(checked.canvas.value),
            Err(mut wrong) => problems.append(&mut wrong.0),
        }
    }
    Problems::check(problems)?;
    Ok(canvases)
}

/// The connections of these canvases and of whatever waits in the store.
async fn connections(args: &ServeArgs, canvases: &[Canvas], store: &Sqlite) -> anyhow::Result<CheckedConnections> {
    let mut used = connections_in_use(store).await?;
    used.extend(canvases.iter().flat_map(|canvas| canvas.audiences.values()).map(|spec| spec.connection.clone()));
    if used.is_empty() {
        let cure = "name a canvas that syncs an audience: `caravan serve win-back.yaml`";
        return Err(usage("there is nothing to serve: no canvas, and a store without queues", cure).into());
    }
    Ok(check::connections(&args.connections, &used, Secrets::Ask)?)
}

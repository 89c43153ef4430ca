//! `caravan serve`: takes events in over HTTP, moves people on and delivers, until it is asked to stop.
use crate::args::{Global, ServeArgs};
use crate::fail::End;
use crate::host::bench::Workbench;
use crate::host::ready::Ready;
use crate::verbs::canvas::publish;
use crate::{out, stop, stores};
use caravan_api::{Server, ServerOptions, WriteKeys};
use caravan_model::{Canvas, Code, Problem};
use caravan_store::{OpenOptions, Sqlite};
use serde_json::json;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The variable that holds write keys.
const KEYS: &str = "CARAVAN_WRITE_KEYS";

/// Serves until it is asked to stop.
pub async fn serve(global: &Global, args: &ServeArgs) -> anyhow::Result<End> {
    let keys = write_keys(args)?;
    let canvases = publish::read(global, &args.canvases, &args.connections).await?;
    let path = stores::of_workspace(global)?;
    // Bound before the store is taken: an address in use is said before anything is done.
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Problem::new(Code::Usage, format!("cannot listen on {}: {error}", args.listen))
            .cure("name another address: --listen 127.0.0.1:0 takes a free port")
    })?;
    let store = Sqlite::open(&path, OpenOptions::default())?;
    let mut ready = Ready::open(store, &args.connections, &canvases, args.lab.as_deref()).await?;
    let cancel = stop::listen(global.quiet);
    let served = go(global, args, &mut ready, canvases, listener, keys, cancel).await;
    ready.close().await?;
    served
}

async fn go(
    global: &Global,
    args: &ServeArgs,
    ready: &mut Ready,
    canvases: Vec<Canvas>,
    listener: TcpListener,
    keys: WriteKeys,
    cancel: watch::Receiver<bool>,
) -> anyhow::Result<End> {
    ready.publish(global, canvases).await?;
    let runner = &ready.runner;
    let address = format!("http://{}", listener.local_addr()?);
    if global.json {
        out::print(&format!("{}\n", json!({"listen": address})))?;
    } else {
        out::print(&format!("Serving at {address}: events at /v1, API at /api, metrics at /metrics. Ctrl-C stops.\n"))?;
    }
    let bench = Workbench::new(
        runner.clone(),
        ready.host.clone(),
        args.connections.clone(),
        args.lab.clone(),
        ready.lab.take(),
    );
    let options = ServerOptions { write_keys: keys, workspace: global.workspace.clone(), ..ServerOptions::default() };
    let server = Server::new(runner.clone(), Arc::new(bench), options);
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

/// Keys of those who may send events, beside the kept ones with the right to.
fn write_keys(args: &ServeArgs) -> anyhow::Result<WriteKeys> {
    let text = match &args.write_keys {
        Some(file) => std::fs::read_to_string(file).map_err(|error| {
            Problem::new(Code::UnreadableFile, format!("the write keys cannot be read: {error}"))
                .in_file(file.display().to_string())
        })?,
        None => std::env::var(KEYS).unwrap_or_default(),
    };
    Ok(WriteKeys::new(text.split(['\n', ','])))
}

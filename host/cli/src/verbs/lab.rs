//! `caravan lab` and `caravan lab people`.
use crate::args::{Global, LabArgs, LabVerb};
use crate::fail::End;
use crate::{files, out};
use anyhow::Context as _;
use caravan_lab::{Lab, LabOptions, people};
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// Runs the emulators until the process is told to stop, or writes people.
pub async fn lab(global: &Global, args: LabArgs) -> anyhow::Result<End> {
    match args.verb {
        Some(LabVerb::People { count, seed, out }) => write_people(global, count, seed, out.as_deref()),
        None => {
            let tls = args.tls.map(std::path::absolute).transpose().context("the working directory is gone")?;
            let options =
                LabOptions { base_port: args.base_port, permissive: args.permissive, tls, ..LabOptions::default() };
            let lab = Lab::start(options).await.context("the lab cannot start")?;
            if let Some(state) = args.state.as_deref().filter(|path| path.exists()) {
                lab.in_process()
                    .restore(state)
                    .with_context(|| format!("{} holds no lab's audiences", state.display()))?;
            }
            out::print(lab.address_line())?;
            if !global.quiet {
                if let Some(ca) = lab.authority() {
                    eprintln!("HTTPS is spoken to whoever trusts {}", ca.display());
                }
                eprintln!("The lab runs until it is stopped (Ctrl-C). Point a run at it: CARAVAN_LAB={}", lab.url());
            }
            crate::stop::asked().await;
            let kept = lab.in_process();
            lab.shutdown().await;
            if let Some(state) = &args.state {
                kept.save(state).map_err(|error| files::unwritable(state, &error))?;
            }
            Ok(End::Done)
        }
    }
}

fn write_people(global: &Global, count: u64, seed: u64, to: Option<&Path>) -> anyhow::Result<End> {
    match to {
        None => {
            let mut to = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
            people::write_csv(&mut to, count, seed)?;
            to.flush()?;
        }
        Some(path) => {
            let beside = files::beside(path);
            let file = std::fs::File::create(&beside).map_err(|error| files::unwritable(path, &error))?;
            let mut to = BufWriter::with_capacity(1 << 16, file);
            let written = people::write_csv(&mut to, count, seed).and_then(|()| to.flush());
            written.and_then(|()| std::fs::rename(&beside, path)).map_err(|error| files::unwritable(path, &error))?;
            if !global.quiet {
                eprintln!("{} written to {}", out::people(count), path.display());
            }
        }
    }
    Ok(End::Done)
}

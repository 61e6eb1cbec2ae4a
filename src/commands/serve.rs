//! `hoptrail serve`.

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use hoptrail_collector::Audience;
use hoptrail_storage::Watch;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::settings::SettingFlags;
use crate::app::App;
use crate::config::{Config, Error, warnings};
use crate::copy::refuse_incomplete;
use crate::machine;
use crate::output::print_line;
use crate::telemetry;
use crate::version;

/// Flags of `hoptrail serve`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    settings: SettingFlags,
}

pub(super) fn run(flags: &Flags) -> anyhow::Result<()> {
    let (config, unknown) = flags.settings.load()?;
    refuse_incomplete(&config.data)?;
    let watch = watch()?;
    telemetry::start(&config.log)?;
    for name in unknown {
        tracing::warn!(name, "this environment variable sets nothing; `hoptrail config` shows every setting");
    }
    for warning in warnings(&config, machine::memory()) {
        tracing::warn!("{warning}");
    }
    allow_many_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let ended = runtime.block_on(serve(config, watch));
    // A query that runs on past the grace period must not hold up the exit.
    runtime.shutdown_background();
    ended
}

/// What watches the store: nothing, or a test that kills this process.
fn watch() -> Result<Arc<dyn Watch>, Error> {
    #[cfg(test_hooks)]
    return crate::kill_at::from_environment();
    #[cfg(not(test_hooks))]
    Ok(Arc::new(()))
}

/// Raises the soft limit of open files to the hard one. Connections and segments are files, and the soft limit is often 1024.
fn allow_many_files() {
    let limits = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }) {
        tracing::warn!(%error, "cannot raise the number of files that may be open");
    }
}

async fn serve(config: Config, watch: Arc<dyn Watch>) -> anyhow::Result<()> {
    let stop = super::stop_on_signal()?;
    let app = App::start(config, watch).await?;
    let addresses = app.addresses();
    for (endpoint, address) in &addresses {
        print_line(&format!("listening {} {address}", endpoint.name))?;
    }
    print_line("ready")?;
    for (endpoint, address) in &addresses {
        tracing::info!(%address, "listening for {}", endpoint.serves);
    }
    let for_people = addresses.iter().find(|(endpoint, _)| endpoint.audience == Audience::Browsers);
    let open = for_people.map(|(_, address)| format!(": open http://{address}")).unwrap_or_default();
    tracing::info!(version = version::VERSION, commit = version::COMMIT, "hoptrail is ready{open}");
    app.run(stop).await?;
    tracing::info!("hoptrail has stopped");
    Ok(())
}

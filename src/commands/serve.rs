//! `hoptrail serve`.

use anyhow::Context;
use clap::Args;

use super::settings::SettingFlags;
use crate::app::App;
use crate::config::Config;
use crate::telemetry;

/// Flags of `hoptrail serve`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    settings: SettingFlags,
}

pub(super) fn run(flags: &Flags) -> anyhow::Result<()> {
    let (config, unknown) = flags.settings.load()?;
    telemetry::start(&config.log)?;
    for name in unknown {
        tracing::warn!(name, "this environment variable sets nothing; `hoptrail config` shows every setting");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let ended = runtime.block_on(serve(config));
    // A query that runs on past the grace period must not hold up the exit.
    runtime.shutdown_background();
    ended
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let stop = super::stop_on_signal()?;
    let app = App::start(config).await?;
    let addresses = app.addresses();
    for (name, address) in addresses {
        super::print_line(&format!("listening {name} {address}"))?;
    }
    super::print_line("ready")?;
    let [.., (_, pages)] = addresses;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "hoptrail is ready: open http://{pages}");
    app.run(stop).await?;
    tracing::info!("hoptrail has stopped");
    Ok(())
}

//! `hoptrail demo`.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use hoptrail_storage::{Clock, SystemClock, clock};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Error;
use crate::demo::send::{Endpoint, Exporter, Header, Protocol};
use crate::demo::{Progress, Runner};

/// How often a line is printed where no terminal is.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How often a terminal is brought up to date.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// Flags of `hoptrail demo`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Where to send: gRPC, or HTTP when the URL has port 4318 or a path
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4317")]
    endpoint: String,
    /// Protocol, where the URL does not say it
    #[arg(long)]
    protocol: Option<Protocol>,
    /// Spans per second on average; it goes up and down a little, as visitors do
    #[arg(long, value_name = "SPANS", default_value_t = 200.0, value_parser = rate)]
    rate: f64,
    /// Begin that long ago, and send the past at once: 15m, 1h, 2d
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    backfill: Duration,
    /// Stop after that long; 0s sends only the past [default: until Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = time)]
    duration: Option<Duration>,
    /// The same seed makes the same shop, pods and ids [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// Header to send with each request, for example X-Scope-OrgID=team-a; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<Header>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.replace(['_', ','], "").parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.1..=10_000_000.0).contains(&rate) { Ok(rate) } else { Err("between 0.1 and 10,000,000".to_owned()) }
}

fn time(text: &str) -> Result<Duration, String> {
    let time: jiff::SignedDuration =
        text.parse().map_err(|_| format!("{text:?} is no time span: write 90s, 15m or 1h30m"))?;
    let time = Duration::try_from(time).map_err(|_| "a time span cannot be negative".to_owned())?;
    if time <= Duration::from_secs(31 * 86_400) { Ok(time) } else { Err("at most 31 days".to_owned()) }
}

pub(super) fn run(flags: &Flags) -> anyhow::Result<()> {
    let endpoint = Endpoint::new(&flags.endpoint, flags.protocol, &flags.header)
        .map_err(|message| Error::Value { origin: "--endpoint".to_owned(), message })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(send(flags, &endpoint))
}

async fn send(flags: &Flags, endpoint: &Endpoint) -> anyhow::Result<()> {
    let stop = super::stop_on_signal()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let seed = flags.seed.unwrap_or_else(|| clock.now_unix_nano());
    let runner = Runner::new(Exporter::new(endpoint)?, Arc::clone(&clock), seed, flags.rate, flags.backfill);
    let progress = runner.progress();
    super::print_line(&format!("sending to {} at about {} spans/s, seed {seed}", endpoint.url(), flags.rate))?;
    let mut running = tokio::spawn(runner.run(flags.duration, stop));
    let mut report = Report::new(Arc::clone(&progress), clock);
    loop {
        tokio::select! {
            ended = &mut running => {
                ended.context("the demo failed")?;
                break;
            }
            () = tokio::time::sleep(report.interval()) => report.tick()?,
        }
    }
    report.finish()?;
    judge(&progress, endpoint)
}

/// Nothing sent at all is a failure; some spans lost are one too, but say how many.
fn judge(progress: &Progress, endpoint: &Endpoint) -> anyhow::Result<()> {
    let lost = progress.lost.load(Ordering::Relaxed);
    if lost == 0 {
        return Ok(());
    }
    let reason = progress.last_failure().unwrap_or_default();
    if progress.accepted.load(Ordering::Relaxed) == 0 {
        let other = match endpoint.protocol() {
            Protocol::Grpc => "and is it its gRPC port (for its HTTP port: --protocol http)",
            Protocol::Http => "and is it its HTTP port (for its gRPC port: --protocol grpc)",
        };
        bail!("nothing could be sent to {}: {reason}; is `hoptrail serve` running there, {other}?", endpoint.url());
    }
    Err(anyhow!("{lost} spans were lost: {reason}"))
}

/// Tells the user how it goes: a live line on a terminal, a line now and then elsewhere.
struct Report {
    progress: Arc<Progress>,
    clock: Arc<dyn Clock>,
    bar: Option<ProgressBar>,
    started: Instant,
    last: (Instant, u64),
}

impl Report {
    fn new(progress: Arc<Progress>, clock: Arc<dyn Clock>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(
                ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        let now = clock::instant();
        Self { progress, clock, bar, started: now, last: (now, 0) }
    }

    fn interval(&self) -> Duration {
        if self.bar.is_some() { DRAW_EVERY } else { LINE_EVERY }
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        let accepted = self.progress.accepted.load(Ordering::Relaxed);
        let seconds = self.last.0.elapsed().as_secs_f64().max(0.001);
        let rate = (accepted - self.last.1) as f64 / seconds;
        let line = self.line(rate);
        match &self.bar {
            Some(bar) => {
                bar.set_message(line);
                bar.tick();
                // The rate is taken over some seconds, or it would dance.
                if seconds < 3.0 {
                    return Ok(());
                }
            }
            None => super::print_line(&line)?,
        }
        self.last = (clock::instant(), accepted);
        Ok(())
    }

    fn finish(&self) -> anyhow::Result<()> {
        let accepted = self.progress.accepted.load(Ordering::Relaxed) as f64;
        let line = self.line(accepted / self.started.elapsed().as_secs_f64().max(0.001));
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        super::print_line(&format!("done: {line}"))
    }

    fn line(&self, rate: f64) -> String {
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let progress = &self.progress;
        let mut line = format!(
            "{} spans in {} traces sent, {rate:.0} spans/s",
            count(&progress.accepted),
            count(&progress.traces)
        );
        for (counter, word) in
            [(&progress.rejected, "rejected"), (&progress.lost, "lost"), (&progress.retries, "retries")]
        {
            if count(counter) > 0 {
                line.push_str(&format!(", {} {word}", count(counter)));
            }
        }
        let behind = self.clock.now_unix_nano().saturating_sub(count(&progress.reached)) / 1_000_000_000;
        if behind > 30 && count(&progress.traces) > 0 {
            line.push_str(&format!(", {} min in the past", behind / 60));
        }
        if count(&progress.retries) + count(&progress.rejected) + count(&progress.lost) > 0
            && let Some(reason) = progress.last_failure()
        {
            line.push_str(&format!(" ({reason})"));
        }
        line
    }
}

//! `hoptrail demo`.

mod incidents;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use hoptrail_demo::send::{self, Compression, Endpoint, Exporter, Header};
use hoptrail_demo::{Clock, Progress, Runner};
use hoptrail_query::traceql::parse_duration;
use hoptrail_storage::{Clock as _, SystemClock, clock};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Error;
use crate::output::print_line;

/// How often a line is printed where no terminal is.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How often a terminal is brought up to date.
const DRAW_EVERY: Duration = Duration::from_millis(250);
/// Longest that one attempt to send may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// Send nothing; say what goes wrong in the shop and when: since --backfill (at least 3h) until an hour from now. Each shop has the
    /// same incidents at the same times
    #[arg(long)]
    incidents: bool,
    /// Header to send with each request, for example X-Scope-OrgID=team-a; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<Header>,
}

/// How spans travel.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Protocol {
    /// OTLP over gRPC
    Grpc,
    /// OTLP over HTTP
    Http,
}

impl From<Protocol> for send::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Grpc => Self::Grpc,
            Protocol::Http => Self::Http,
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.replace(['_', ','], "").parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.1..=10_000_000.0).contains(&rate) { Ok(rate) } else { Err("between 0.1 and 10,000,000".to_owned()) }
}

fn time(text: &str) -> Result<Duration, String> {
    let nanos = u64::try_from(parse_duration(text)?).map_err(|_| "a time span cannot be negative".to_owned())?;
    let time = Duration::from_nanos(nanos);
    if time <= Duration::from_secs(31 * 86_400) { Ok(time) } else { Err("at most 31 days".to_owned()) }
}

pub(super) fn run(flags: &Flags) -> anyhow::Result<()> {
    if flags.incidents {
        return incidents::print(flags.backfill);
    }
    let endpoint = Endpoint::new(&flags.endpoint, flags.protocol.map(Into::into), &flags.header)
        .map_err(|message| Error::Value { origin: "--endpoint".to_owned(), message })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(send(flags, &endpoint))
}

async fn send(flags: &Flags, endpoint: &Endpoint) -> anyhow::Result<()> {
    let stop = super::stop_on_signal()?;
    let clock: Clock = Arc::new(|| SystemClock.now_unix_nano());
    let seed = flags.seed.unwrap_or_else(|| clock());
    let exporter = Exporter::new(endpoint, Compression::None, SEND_TIMEOUT).map_err(|reason| anyhow!(reason))?;
    let runner = Runner::new(exporter, Arc::clone(&clock), seed, flags.rate, flags.backfill);
    let progress = runner.progress();
    print_line(&format!("sending to {} at about {} spans/s, seed {seed}", endpoint.url(), flags.rate))?;
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
    outcome(&progress, endpoint)
}

/// Lost spans are a failure. Its text says how many, or what to check when nothing could be sent.
fn outcome(progress: &Progress, endpoint: &Endpoint) -> anyhow::Result<()> {
    let lost = count(&progress.lost);
    if lost == 0 {
        return Ok(());
    }
    let reason = progress.last_failure().unwrap_or_default();
    if count(&progress.accepted) == 0 {
        let other = match endpoint.protocol() {
            send::Protocol::Grpc => "and is it its gRPC port (for its HTTP port: --protocol http)",
            send::Protocol::Http => "and is it its HTTP port (for its gRPC port: --protocol grpc)",
        };
        bail!("nothing could be sent to {}: {reason}; is `hoptrail serve` running there, {other}?", endpoint.url());
    }
    Err(anyhow!("{lost} spans were lost: {reason}"))
}

/// Shows the user how it goes: a live line on a terminal, a line now and then elsewhere.
struct Report {
    progress: Arc<Progress>,
    clock: Clock,
    bar: Option<ProgressBar>,
    started: Instant,
    last: (Instant, u64),
}

impl Report {
    fn new(progress: Arc<Progress>, clock: Clock) -> Self {
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
        let accepted = count(&self.progress.accepted);
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
            None => print_line(&line)?,
        }
        self.last = (clock::instant(), accepted);
        Ok(())
    }

    fn finish(&self) -> anyhow::Result<()> {
        let accepted = count(&self.progress.accepted) as f64;
        let line = self.line(accepted / self.started.elapsed().as_secs_f64().max(0.001));
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        print_line(&format!("done: {line}"))
    }

    fn line(&self, rate: f64) -> String {
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
        let behind = (self.clock)().saturating_sub(count(&progress.reached)) / 1_000_000_000;
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

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

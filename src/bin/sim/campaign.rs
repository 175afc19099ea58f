//! `sim campaign`: many seeds on all cores, and a report. It fails if a property was violated, and also if one of the
//! situations that it is there for never came up.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use raftwright::sim::{Fault, Reached, Run, Violation};

use crate::args::CampaignArgs;
use crate::seed::run_one;

/// How often the progress bar is drawn.
const REDRAW: Duration = Duration::from_millis(200);

/// How wide its bar is, in characters.
const BAR: u64 = 40;

/// How many violations are shown.
const SHOWN: usize = 10;

/// What the seeds came to so far.
#[derive(Default)]
struct Report {
    seeds: u64,
    actions: u64,
    records: u64,
    virtual_us: u64,
    faults: BTreeMap<Fault, u64>,
    reached: Reached,
    violations: BTreeMap<u64, Violation>,
}

impl Report {
    fn add(&mut self, seed: u64, run: Run) {
        self.seeds += 1;
        self.actions += run.scenario.actions.len() as u64;
        self.records += run.records;
        self.virtual_us += run.virtual_us;
        for (fault, count) in run.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.reached.add(&run.reached);
        self.violations.extend(run.violation.map(|violation| (seed, violation)));
    }
}

/// Performs `sim campaign`.
///
/// # Errors
/// A sentence for the person who called it.
pub fn campaign(args: &CampaignArgs) -> Result<ExitCode, String> {
    let jobs = args.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, |jobs| jobs.get());
    println!("seeds {} to {}, {jobs} jobs", args.from, args.from.saturating_add(args.seeds));
    let began = Instant::now();
    let report = run_all(args, jobs)?;
    print_report(&report, began.elapsed());
    let missing = report.reached.missing();
    if let Some(seed) = report.violations.keys().next() {
        for (seed, violation) in report.violations.iter().take(SHOWN) {
            println!("seed {seed}: {violation}");
        }
        println!(
            "{} of {} seeds violate a property. The first of them:",
            report.violations.len(),
            report.seeds
        );
        println!("{}", args.weather.replay_command(*seed));
        return Ok(ExitCode::FAILURE);
    }
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|situation| situation.name()).collect();
        println!("All properties held, but this never came up: {}. Run more seeds.", names.join(", "));
        return Ok(ExitCode::FAILURE);
    }
    println!("All properties held.");
    Ok(ExitCode::SUCCESS)
}

fn run_all(args: &CampaignArgs, jobs: usize) -> Result<Report, String> {
    let next = AtomicU64::new(0);
    let (results, arrived) = mpsc::channel();
    let mut report = Report::default();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (results, next) = (results.clone(), &next);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= args.seeds {
                        return;
                    }
                    let seed = args.from.wrapping_add(number);
                    let result = run_one(seed, &args.weather);
                    let failed = result.is_err();
                    if results.send((seed, result)).is_err() || failed {
                        return;
                    }
                }
            });
        }
        drop(results);
        let (began, mut drawn) = (Instant::now(), Instant::now());
        loop {
            match arrived.recv_timeout(REDRAW) {
                Ok((seed, run)) => report.add(seed, run?),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if drawn.elapsed() >= REDRAW {
                drawn = Instant::now();
                draw(&report, args.seeds, began.elapsed());
            }
        }
        clear();
        Ok(report)
    })
}

fn draw(report: &Report, seeds: u64, elapsed: Duration) {
    if !stderr().is_terminal() {
        return;
    }
    let done = (report.seeds * BAR / seeds.max(1)) as usize;
    let bar = format!("{}{}", "█".repeat(done), "░".repeat((BAR as usize).saturating_sub(done)));
    let rate = report.seeds as f64 / elapsed.as_secs_f64();
    let violations = report.violations.len();
    // A terminal that cannot be written to shows no progress; the report comes all the same.
    let _ = write!(stderr(), "\r{bar} {}/{seeds}  {rate:.0} seeds/s  {violations} violations", report.seeds);
    let _ = stderr().flush();
}

fn clear() {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\x1b[K");
    }
}

fn print_report(report: &Report, elapsed: Duration) {
    let seconds = elapsed.as_secs_f64();
    let virtual_seconds = report.virtual_us as f64 / 1e6;
    println!(
        "{} seeds in {seconds:.1} s: {:.0} seeds a second; {:.0} s of virtual time, {:.0} times as fast as real time",
        report.seeds,
        report.seeds as f64 / seconds,
        virtual_seconds,
        virtual_seconds / seconds,
    );
    println!("{} actions, {} records", report.actions, report.records);
    println!("faults:");
    for fault in Fault::ALL {
        println!("{:>12}  {}", report.faults.get(&fault).copied().unwrap_or(0), fault.name());
    }
    print!("reached:\n{}", report.reached);
}

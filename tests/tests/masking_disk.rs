//! The masking ledger on disks that fail, and in processes that are killed.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor::masking::store::{self, Stored};
use auditor_tests::{
    process::{Running, wait_for},
    scratch::Scratch,
    values::random,
};
use rustix::process::Signal;

const WRITER: &str = env!("CARGO_BIN_EXE_masking_writer");
const PATIENCE: Duration = Duration::from_secs(60);
/// Values a second.
const RATE: u64 = 20_000;
/// Fields of the writer that is killed; it counts one after the other.
const FIELDS: u64 = 5000;

/// Lines a writer said: values counted, and after how many milliseconds.
fn said(text: &str) -> Vec<(u64, u64)> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let read = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    whole.lines().filter_map(read).collect()
}

/// What a file holds; each value is in one row and once in the total.
fn read(path: &Path) -> anyhow::Result<Stored> {
    let stored = store::read(path)?;
    let sum: u64 = stored.rows.iter().map(|row| row.record.counts().total()).sum();
    let total = stored.totals.observed - stored.totals.expired;
    ensure!(sum == total, "rows sum up to {sum}, and the total is {total}");
    Ok(stored)
}

/// Values by the number of their field.
fn by_field(stored: &Stored) -> anyhow::Result<Vec<u64>> {
    let mut counts = vec![0; usize::try_from(FIELDS)?];
    for row in &stored.rows {
        let field = row.field.field.as_deref().unwrap_or_default();
        let number: usize = field.trim_start_matches("$.field").parse()?;
        counts[number] += row.record.counts().total();
    }
    Ok(counts)
}

/// Whether `now` is `before` and the first so many values of one life, each once: no other, and none twice.
fn are_the_first(before: &[u64], now: &[u64], values: u64) -> bool {
    (0..).zip(before.iter().zip(now)).all(|(field, (before, now))| {
        let last = field > 0 && field <= values % FIELDS;
        *now == before + values / FIELDS + u64::from(last)
    })
}

#[test]
fn whoever_is_killed_has_lost_at_most_a_second_and_counted_nothing_twice() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let path = scratch.path("masking.redb");
    let is_long = std::env::var_os("AUDITOR_TEST_FULL").is_some();
    let kills = if is_long { 200 } else { 20 };
    let (mut kept, mut most, mut written) = (0_u64, 0_u64, 0);
    let mut fields = vec![0; usize::try_from(FIELDS)?];
    for kill in 0..kills {
        let life = Duration::from_millis(300 + u64::from(random(1)[0]) * 10);
        let mut writer = Command::new(WRITER);
        writer.arg(&path).args([FIELDS.to_string(), RATE.to_string()]);
        let mut running = Running::with_input(&mut writer)?;
        std::thread::sleep(life);
        running.signal(Signal::KILL)?;
        let lines = said(&running.end(PATIENCE)?.stdout);
        let (now, counts) = match path.exists() {
            true => {
                let stored = read(&path)?;
                (stored.totals.observed, by_field(&stored)?)
            }
            false => (0, fields.clone()),
        };
        ensure!(
            now >= kept && are_the_first(&fields, &counts, now - kept),
            "{kill}: not the {} first values after {kept}, each once",
            now.saturating_sub(kept)
        );
        fields = counts;
        let (counted, at) = lines.last().copied().unwrap_or_default();
        // Between its last word and its end the writer went on.
        let slack = RATE / 2;
        ensure!(
            now <= kept + counted + slack,
            "{kill}: {now} of {kept} + {counted}: twice"
        );
        let safe = lines.iter().rev().find(|line| line.1 + 1000 <= at);
        let safe = kept + safe.map_or(0, |line| line.0);
        ensure!(now >= safe, "{kill}: {now} of {safe} to {counted}: lost");
        most = most.max((kept + counted).saturating_sub(now));
        written += u32::from(now > kept);
        kept = now;
    }
    println!(
        "{kills} kills, {written} after something was written; at most {most} values lost, at {RATE} a second"
    );
    ensure!(written > kills / 3, "only {written} wrote something");
    Ok(())
}

/// A writer whose folder is a file system of its own, mounted in its namespace only.
struct Mounted {
    running: Running,
    folder: PathBuf,
}

impl Mounted {
    fn start(scratch: &Scratch, options: &str) -> anyhow::Result<Self> {
        let folder = scratch.path("disk");
        fs::create_dir(&folder)?;
        let script = format!(
            "mount -t tmpfs -o {options} none \"$1\" && exec \"$2\" \"$1/masking.redb\" 20000 {RATE}"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
        command.arg(&folder).arg(WRITER);
        let running = Running::with_input(&mut command)?;
        Ok(Self { running, folder })
    }

    fn remount(&self, options: &str) -> anyhow::Result<()> {
        let pid = self.running.pid().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--mount", "mount", "-o"]);
        command.arg(format!("remount,{options}")).arg(&self.folder);
        Running::start(&mut command)?.succeed()?;
        Ok(())
    }

    fn until(&self, word: &str) -> anyhow::Result<()> {
        wait_for(&format!("the ledger to be {word}"), PATIENCE, || {
            let ended = format!(" {word}\n");
            Ok(self.running.stdout().ends_with(&ended).then_some(()))
        })
    }

    fn counted(&self) -> u64 {
        said(&self.running.stdout()).last().map_or(0, |line| line.0)
    }

    /// Lets it write for the last time; what it counted, and what the file holds.
    fn finish(mut self, scratch: &Scratch) -> anyhow::Result<(u64, Stored)> {
        let mut input = self.running.stdin().context("no input")?;
        input.write_all(b"finish\n")?;
        self.until("finished")?;
        let pid = self.running.pid();
        let inside = format!("/proc/{pid}/root{}/masking.redb", self.folder.display());
        let copy = scratch.path("copy.redb");
        fs::copy(inside, &copy)?;
        let counted = self.counted();
        drop(input);
        self.running.succeed()?;
        Ok((counted, read(&copy)?))
    }
}

#[test]
fn on_a_full_disk_counting_goes_on_and_all_is_written_once_there_is_room() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let disk = Mounted::start(&scratch, "size=4m")?;
    disk.until("full")?;
    let then = disk.counted();
    wait_for("counting to go on", PATIENCE, || {
        Ok((disk.counted() > then + RATE).then_some(()))
    })?;
    disk.remount("size=256m")?;
    disk.until("kept")?;
    let (counted, stored) = disk.finish(&scratch)?;
    let kept = stored.totals.observed;
    ensure!(counted > then && kept == counted, "{kept} of {counted}");
    Ok(())
}

#[test]
fn on_a_read_only_disk_counting_goes_on_and_all_is_written_afterwards() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let disk = Mounted::start(&scratch, "size=256m,ro")?;
    disk.until("read_only")?;
    let start = Instant::now();
    disk.remount("size=256m,rw")?;
    disk.until("kept")?;
    println!("written {} ms after it could be", start.elapsed().as_millis());
    let (counted, stored) = disk.finish(&scratch)?;
    let kept = stored.totals.observed;
    ensure!(counted > 0 && kept == counted, "{kept} of {counted}");
    Ok(())
}

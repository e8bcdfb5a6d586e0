//! What a process has used, by `/proc`.

use std::fs;
use std::time::Duration;

use muster_benches::Result;

/// Ticks a second of the times in `/proc`; the same on every Linux that this runs on.
const TICKS: u64 = 100;

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// Processor time, its children's not included.
    pub cpu: Duration,
    /// Resident memory now, in bytes.
    pub resident: u64,
}

/// What a process has used until now.
pub fn used(pid: u32) -> Result<Used> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may hold anything.
    let (_, rest) = stat.rsplit_once(')').ok_or("/proc has another form")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| -> Result<u64> { Ok(fields.get(at).ok_or("/proc has another form")?.parse()?) };
    // utime and stime, the 14th and 15th of all, counted from 1; the state is the third.
    let cpu = Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / TICKS);
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("/proc does not say how much memory")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(Used { cpu, resident: kib << 10 })
}

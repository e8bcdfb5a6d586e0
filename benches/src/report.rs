//! What the reports in docs/benchmarks.md share.

/// The machine: its processors, its memory, and its load now.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/meminfo");
    let kib = info.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    let memory = kib.map_or_else(|| "unknown size".to_owned(), |kib| format!("{:.0} GiB", kib / 1_048_576.0));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("one machine of {cores} cores and {memory} of memory; its load before: {}", read("/proc/loadavg").trim())
}

/// The text with its section of that heading, which ends with a line feed, replaced, or with the section at its end.
pub fn replaced(text: &str, heading: &str, section: &str) -> String {
    let Some((before, after)) = text.split_once(heading) else {
        return format!("{}\n\n{section}", text.trim_end());
    };
    match after.split_once("\n## ") {
        Some((_, rest)) => format!("{before}{section}\n## {rest}"),
        None => format!("{before}{section}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_replaced() {
        let (heading, new) = ("## Engines\n", "## Engines\n\nnew\n");
        assert_eq!(replaced("# B\n\nx\n", heading, new), "# B\n\nx\n\n## Engines\n\nnew\n");
        assert_eq!(replaced("# B\n\n## Engines\n\nold\n", heading, new), "# B\n\n## Engines\n\nnew\n");
        assert_eq!(replaced("# B\n\n## Engines\n\nold\n### y\n\n## C\n\nz\n", heading, new), "# B\n\n## Engines\n\nnew\n\n## C\n\nz\n");
    }
}

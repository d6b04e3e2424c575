//! How much memory the process takes.

use serde::Serialize;

/// Memory of a process in KiB, as Linux counts it; 0 where nobody does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// What it holds now.
    pub resident: u64,
    /// The most it has held.
    pub peak: u64,
}

impl Memory {
    /// This process', as of now.
    pub fn now() -> Self {
        Self::of(std::process::id())
    }

    /// Another process', as of now.
    pub fn of(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        Self::read(&status)
    }

    /// Counts this process' peak anew from now on, where Linux lets a process do so.
    pub fn forget_peak() {
        Self::forget_peak_of(std::process::id());
    }

    /// Counts another process' peak anew from now on.
    pub fn forget_peak_of(process: u32) {
        let _ = std::fs::write(format!("/proc/{process}/clear_refs"), "5");
    }

    fn read(status: &str) -> Self {
        let value = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok())
                .unwrap_or_default()
        };
        Self {
            resident: value("VmRSS:"),
            peak: value("VmHWM:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let status = "Name:\tlocal\nVmPeak:\t  900000 kB\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\nThreads:\t3\n";
        let expected = Memory {
            resident: 102_400,
            peak: 204_800,
        };
        assert_eq!(Memory::read(status), expected);
        assert_eq!(Memory::read(""), Memory::default());
    }
}

//! How busy this device is, as its kernel averages it over the last minute, and how much memory
//! this process holds.

use std::{fs, io, thread};

/// Thousandths of one core, on average over its cores.
///
/// # Errors
/// When `/proc` is not mounted, or says something else than a load.
pub(crate) fn load_thousandths() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let cores = thread::available_parallelism()?.get() as u64;
    let odd = || io::Error::new(io::ErrorKind::InvalidData, format!("/proc/loadavg: {text}"));
    parse(&text).map(|load| load / cores).ok_or_else(odd)
}

/// Bytes of memory that this process holds.
///
/// # Errors
/// When `/proc` is not mounted, or says nothing of memory.
pub(crate) fn resident_bytes() -> io::Result<usize> {
    let text = fs::read_to_string("/proc/self/status")?;
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status: no VmRSS");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.and_then(|kib| kib.checked_mul(1024)).ok_or_else(odd)
}

/// The first number, which has two digits behind its point, in thousandths.
fn parse(text: &str) -> Option<u64> {
    let (whole, hundredths) = text.split_whitespace().next()?.split_once('.')?;
    let (whole, hundredths): (u64, u64) = (whole.parse().ok()?, hundredths.parse().ok()?);
    whole.checked_mul(1_000)?.checked_add(hundredths.checked_mul(10)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the kernel's words are read in thousandths, and others are refused.
    #[test]
    fn the_kernels_words_are_read() {
        assert_eq!(parse("7.06 5.78 3.77 3/412 25734\n"), Some(7_060));
        assert_eq!(parse("0.00 0.01 0.05 1/80 99\n"), Some(0));
        assert_eq!(parse("busy"), None);
        assert!(load_thousandths().is_ok());
    }
}

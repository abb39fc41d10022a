//! Memory and swap. The spec counts swap with memory, as the older interface did; the
//! kernel now counts it apart.

use oci_spec::runtime::LinuxMemory;

use super::{Write, limit};
use crate::spec::Invalid;

const AT: &str = "linux.resources.memory";

/// Orders for the memory controller.
pub(super) fn plan(memory: &LinuxMemory, writes: &mut Vec<Write>) -> Result<(), Invalid> {
    let most = memory.limit().unwrap_or(0);
    let with_swap = memory.swap().unwrap_or(0);
    for (value, name) in
        [(most, "limit"), (with_swap, "swap"), (memory.reservation().unwrap_or(0), "reservation")]
    {
        if value < -1 {
            return Err(Invalid::new(format!("{AT}.{name}"), format!("{value} is no size")));
        }
    }
    if let Some(swap) = swap(most, with_swap)? {
        // Without swap in the kernel there is no file, and nothing to limit.
        writes.push(if swap <= 0 {
            Write::optional("memory.swap.max", limit(swap))
        } else {
            Write::new("memory.swap.max", limit(swap))
        });
    }
    if most != 0 {
        writes.push(Write::new("memory.max", limit(most)));
    }
    match memory.reservation() {
        None | Some(0) => {}
        Some(reserved) => writes.push(Write::new("memory.low", limit(reserved))),
    }
    Ok(())
}

/// Swap alone; `None` when nothing was said about it.
fn swap(most: i64, with_swap: i64) -> Result<Option<i64>, Invalid> {
    let at = format!("{AT}.swap");
    match (most, with_swap) {
        (-1, 0) => Ok(Some(-1)),
        (_, 0) => Ok(None),
        (_, -1) => Ok(Some(-1)),
        (0 | -1, _) => Err(Invalid::new(at, "is limited, but memory is not")),
        (most, with_swap) if with_swap < most => {
            Err(Invalid::new(at, "counts memory too, so it can't be below its limit"))
        }
        (most, with_swap) => Ok(Some(with_swap - most)),
    }
}

#[cfg(test)]
mod tests {
    use super::swap;

    #[test]
    fn swap_is_what_remains() {
        assert_eq!(swap(100, 150), Ok(Some(50)));
        assert_eq!(swap(100, 100), Ok(Some(0)));
        assert_eq!(swap(100, 0), Ok(None));
        assert_eq!(swap(-1, 0), Ok(Some(-1)));
        assert_eq!(swap(100, -1), Ok(Some(-1)));
        assert!(swap(0, 100).is_err());
        assert!(swap(100, 99).is_err());
    }
}

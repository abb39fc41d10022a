//! The kernel's figures of pressure: for how much of the time somebody had to wait for
//! a resource.

use std::path::Path;

use crate::os::Os;

/// For how much of the last ten and sixty seconds, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pressure {
    pub ten: f32,
    pub sixty: f32,
}

/// The pressure that a file shows; none where the kernel has no such figures.
pub(super) fn read(os: &dyn Os, file: &Path) -> Option<Pressure> {
    let text = os.read(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let figure =
        |name: &str| line.split(' ').find_map(|word| word.strip_prefix(name)?.parse::<f32>().ok());
    Some(Pressure { ten: figure("avg10=")?, sixty: figure("avg60=")? })
}

//! Huge pages.

use oci_spec::runtime::LinuxHugepageLimit;

use super::{Write, limit};
use crate::spec::Invalid;

/// Orders for the hugetlb controller.
pub(super) fn plan(limits: &[LinuxHugepageLimit], writes: &mut Vec<Write>) -> Result<(), Invalid> {
    for one in limits {
        let size = one.page_size();
        let digits = ["KB", "MB", "GB"].iter().find_map(|unit| size.strip_suffix(unit));
        if !digits.is_some_and(|digits| digits.parse::<u32>().is_ok_and(|number| number > 0)) {
            let why = format!("{size:?} is no size such as 2MB");
            return Err(Invalid::new("linux.resources.hugepageLimits", why));
        }
        writes.push(Write::new(format!("hugetlb.{size}.max"), limit(one.limit())));
        // Reservations count too where the kernel counts them.
        writes.push(Write::optional(format!("hugetlb.{size}.rsvd.max"), limit(one.limit())));
    }
    Ok(())
}
